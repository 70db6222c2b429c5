#!/usr/bin/python3
"""freshet-local: the roles in one process do what they do in processes of their own."""

import signal
import subprocess
import unittest

from harness import BIN, Cluster, run
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from waiting import limit_test


class LocalTest(unittest.TestCase):
    def test_it_trains_stops_and_goes_on_as_a_cluster(self):
        with Cluster(LEDGER, "training: {batch_size: 128}") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=9)
            writer.append(next(lines) for _ in range(5000))
            local = subprocess.Popen([BIN / "freshet-local", "--config", cluster.config],
                                     stdout=subprocess.PIPE, text=True)
            try:
                cluster.wait(lambda s: s["samples"] == 5000 and s["served_version"] > 0,
                             "5000 samples and a version served")
                self.assertEqual(cluster.http("serving-0", "/health")[0], 200)
                local.send_signal(signal.SIGTERM)
                printed, _ = local.communicate(timeout=30)
            finally:
                local.kill()
                local.wait()
            self.assertEqual(local.returncode, 0)
            # Lines come once a second: which phases they show is a matter of speed.
            self.assertIn("serving-0 answers on http://", printed)
            self.assertRegex(printed, r"(?m)^[A-Z]+ version=\d+ samples=\d+ ")

            writer.append(next(lines) for _ in range(1000))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == 6000, "6000 samples")
            cluster.stop()

            writer.append(next(lines) for _ in range(1000))
            writer.finish()
            done = run(BIN / "freshet-local", "--config", cluster.config, "--until-finished")
            self.assertIn("FINISHED", done.stdout)
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})

    def test_a_run_that_cannot_get_to_its_end_fails(self):
        training = "training: {batch_size: 64, max_bad_share: 0.1}"
        with Cluster(LEDGER, training, serving=0, follow=False) as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(3000, seed=11))
            writer.append(["no sample\n"] * 900)
            done = run(BIN / "freshet-local", "--config", cluster.config, "--until-finished",
                       check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("breaks off again and again: worker-", done.stderr)
            self.assertIn("are no samples", done.stderr)

    def test_a_missing_worker_config_is_a_wrong_config(self):
        with Cluster(LEDGER) as cluster:
            (cluster.folder / "job.yaml").unlink()
            done = run(BIN / "freshet-local", "--config", cluster.config, check=False)
            self.assertEqual(done.returncode, 78)
            self.assertIn("worker.job: open ", done.stderr)

    def test_a_wrong_config_is_named(self):
        with Cluster("model: {kind: nonsense}") as cluster:
            done = run(BIN / "freshet-local", "--config", cluster.config, check=False)
            self.assertEqual(done.returncode, 78)
            self.assertIn("nonsense", done.stderr)


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
