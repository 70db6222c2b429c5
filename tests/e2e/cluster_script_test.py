#!/usr/bin/python3
"""scripts/cluster: a failed start leaves nothing, a stop leaves nothing, status tells the truth."""

import os
import pathlib
import socket
import unittest

from harness import Cluster, CommandFailed, wait_until
from ledger import LEDGER
from samples import StreamWriter, make_lines
from waiting import limit_test


class ClusterScriptTest(unittest.TestCase):
    def test_start_status_kill_restart_stop(self):
        with Cluster(LEDGER, ps=1, workers=1) as cluster:
            StreamWriter(cluster.stream).append(make_lines(100, seed=6))
            self.assertEqual(self.states(cluster), dict.fromkeys(cluster.names, "down"))
            cluster.start()
            self.assertEqual(self.states(cluster), dict.fromkeys(cluster.names, "up"))

            again = cluster.script("start", check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("running already", again.stderr)
            self.assertEqual(self.states(cluster), dict.fromkeys(cluster.names, "up"))

            cluster.kill("ps-0")
            wait_until(lambda: self.table(cluster)["ps-0"]["RESTARTS"] == "1"
                       and self.states(cluster)["ps-0"] == "up", "ps-0 to come back")

            cluster.stop("serving-0")
            self.assertEqual(self.states(cluster)["serving-0"], "down")
            self.assertEqual(cluster.script("status", check=False).returncode, 1)
            before = self.table(cluster)["worker-0"]["PID"]
            cluster.script("restart")
            self.assertEqual(cluster.script("status", check=False).returncode, 0)
            self.assertNotEqual(self.table(cluster)["worker-0"]["PID"], before)
            self.assertIn("started", cluster.script("logs", "worker-0").stdout)

            cluster.stop()
            self.assertEqual(cluster.processes(), [])
            self.assertEqual(sorted(p.suffix for p in cluster.run_dir.iterdir()
                                    if p.suffix in (".pid", ".address")), [])

    def table(self, cluster):
        """name -> column -> cell."""
        head, *rows = cluster.script("status", check=False).stdout.splitlines()
        return {row.split()[0]: dict(zip(head.split(), row.split())) for row in rows}

    def states(self, cluster):
        return {name: row["STATE"] for name, row in self.table(cluster).items()}

    def check_failed_start(self, cluster, *words):
        with self.assertRaises(CommandFailed) as failed:
            cluster.start()
        for word in words:
            self.assertIn(word, str(failed.exception))
        self.assertEqual(cluster.processes(), [])

    def test_a_wrong_cluster_file_starts_nothing(self):
        with Cluster(LEDGER) as cluster:
            right = cluster.config.read_text()
            cluster.config.write_text(right.replace("cut_every", "cut_evry"))
            self.check_failed_start(cluster, "cut_evry", "cluster.yaml")
            cluster.config.write_text(right)

    def test_a_wrong_worker_config_stops_what_was_started(self):
        with Cluster("model: {kind: nonsense}") as cluster:
            self.check_failed_start(cluster, "ended with exit code 78", "nonsense")

    def test_a_port_that_is_taken_stops_what_was_started(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with Cluster(LEDGER, coordinator=f"port: {port}") as cluster:
                self.check_failed_start(cluster, "coordinator dies again and again", str(port))

    def test_a_server_that_will_not_stop_is_killed(self):
        with Cluster(LEDGER, ps=1, workers=1, serving=0) as cluster:
            StreamWriter(cluster.stream).append(make_lines(100, seed=7))
            cluster.start()
            os.kill(cluster.pid("ps-0"), 19)  # SIGSTOP: deaf to SIGTERM
            cluster.script("stop", "--limit", "1")
            self.assertEqual(cluster.processes(), [])

    def test_processes_on_other_hosts(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # Two ways to write 127.0.0.1 that scripts/cluster does not know for this machine.
        one, other = "0x7f000001", "2130706433"
        with Cluster(LEDGER, ps=1, workers=1, serving=0,
                     coordinator=f"host: {one}\n  port: {port}") as cluster:
            StreamWriter(cluster.stream).append(make_lines(100, seed=8))
            # Stands for ssh: runs the command here, and keeps a note of it.
            ssh = cluster.folder / "ssh"
            ssh.write_text('#!/bin/bash\necho "$*" >>"$0.log"\nshift\nexec bash -c "$*"\n')
            ssh.chmod(0o755)
            os.environ["FRESHET_SSH"] = str(ssh)
            self.addCleanup(os.environ.pop, "FRESHET_SSH")
            text = cluster.config.read_text()
            for role, host in (("ps", one), ("worker", other)):
                text = text.replace(f"{role}: {{count: 1,", f"{role}: {{hosts: [{host}],")
            cluster.config.write_text(text)
            cluster.start()
            self.assertEqual(self.states(cluster), dict.fromkeys(cluster.names, "up"))
            cluster.stop()
            self.assertEqual(cluster.processes(), [])
            starts = [line for line in pathlib.Path(f"{ssh}.log").read_text().splitlines()
                      if " start " in line]
            self.assertEqual([line.split()[0] for line in starts], [one, one, other])
            for line, process in zip(starts, ("coordinator", "ps-0:ps:0", "worker-0:worker:0")):
                self.assertIn(process, line)


if __name__ == "__main__":
    limit_test(160)
    unittest.main(verbosity=2)
