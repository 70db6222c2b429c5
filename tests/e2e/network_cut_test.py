#!/usr/bin/python3
"""The network between any two roles is cut while they train, for longer than a member may be
silent, and comes back: and with it one that knows nothing of what has happened meanwhile."""

import os
import subprocess
import sys
import time
import unittest

from harness import BIN, Cluster, wait_until
from ledger import LEDGER, ledger_of
from network import Hosts, enter_network
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from waiting import limit_test

LINES_PER_TICK = 100
TICK_S = 0.05
CUT_S = 1.5  # half as long again as a member may be silent
STEADY_S = 1.5


class NetworkCutTest(unittest.TestCase):
    def setUp(self):
        self.hosts = Hosts(["coordinator", "ps-0", "ps-1", "worker-0", "worker-1", "serving-0",
                            "another"])
        self.cluster = self.enterContext(Cluster(
            LEDGER, "training: {batch_size: 64, rpc_timeout: 500ms}", owner_threads=1,
            member_timeout="1s", coordinator="rpc_timeout: 3s", hosts=self.hosts))
        os.environ["FRESHET_SSH"] = self.hosts.shell(self.cluster.folder)
        self.writer = StreamWriter(self.cluster.stream)
        self.lines = make_lines(10**9, seed=11)
        self.cluster.start()
        self.wait_for_training()

    def test_cuts_and_members_of_the_past_do_no_harm(self):
        self.a_member_is_cut_off_from_the_coordinator("ps-0")
        self.a_member_is_cut_off_from_the_coordinator("worker-0")
        self.a_worker_is_cut_off_from_a_server()
        self.serving_is_cut_off()
        self.a_member_is_replaced_and_comes_back("ps-0")
        self.a_member_is_replaced_and_comes_back("worker-0")
        self.a_host_is_cut_off_from_everybody()

        self.writer.finish()
        status = self.cluster.wait_finished()
        got = ledger_of(self.cluster)
        wrong = differing_keys(got, expected_ledger(self.cluster.stream))
        print(f"{self.writer.lines} samples, version {status['version']}, epoch "
              f"{status['epoch']}, {len(got)} keys, {len(wrong)} differ", file=sys.stderr)
        self.assertEqual(dict(list(wrong.items())[:5]), {})
        self.assertEqual(status["samples"], self.writer.lines)
        self.cluster.freshetctl("versions", "verify", "--all")

    def a_member_is_cut_off_from_the_coordinator(self, name):
        """Servers and workers still see each other, and train on in an epoch that is over."""
        before = self.cluster.status()["epoch"]
        with self.hosts.cut("coordinator", name):
            self.feed_for(CUT_S)
            self.cluster.wait(lambda s: s["phase"] != "TRAINING", f"{name} is missed")
        self.assertGreater(self.wait_for_training()["epoch"], before)

    def a_worker_is_cut_off_from_a_server(self):
        """The coordinator sees both; what the worker has pushed may or may not have arrived. If it
        waits for a pull, versions are made without it, if for a push, none."""
        with self.hosts.cut("worker-0", "ps-0"):
            self.feed_for(CUT_S / 2)
            stands_at = self.trained_by_worker_0()
            self.feed_for(CUT_S)
            self.assertEqual(self.trained_by_worker_0(), stands_at)
        self.wait_for_training()

    def serving_is_cut_off(self):
        """From the coordinator: it reads the log, and training does not notice."""
        before = self.cluster.status()["epoch"]
        with self.hosts.cut("coordinator", "serving-0"):
            self.feed_for(CUT_S)
            self.cluster.wait(lambda s: not member(s, "SERVING", 0)["up"], "serving-0 is missed")
        self.wait_for_training()
        status = self.cluster.wait(lambda s: member(s, "SERVING", 0)["up"]
                                   and s["served_version"] > 0, "serving-0 is back")
        self.assertEqual(status["epoch"], before)

    def a_member_is_replaced_and_comes_back(self, name):
        """While it is cut off from the coordinator, but not from the others, another takes its
        place."""
        before = self.cluster.status()["epoch"]
        with self.hosts.cut(name, "coordinator"):
            self.feed_for(CUT_S)
            another = self.start_another(name)
            self.wait_for_training()
            replaced = self.cluster.status()["epoch"]
            self.assertGreater(replaced, before)
            self.feed_for(0.5)
        # The old one is back, wants its place, and must not have it: else the two would take it
        # from each other again and again.
        wait_until(lambda: "is another process by now" in self.cluster.log(name),
                   f"that the old {name} hears that it was replaced", 20)
        self.feed_for(STEADY_S)
        self.assertEqual(self.wait_for_training()["epoch"], replaced)
        # The way back: the other one ends, and the supervisor's next process joins.
        another.terminate()
        another.wait(20)
        wait_until(lambda: self.cluster.kill(name), f"{name} to kill")
        self.wait_for_training()

    def start_another(self, name):
        """A second process of that name, on another host."""
        role, rank = name.split("-")
        config = self.cluster.folder / f"another-{name}.yaml"
        text = self.cluster.config.read_text()
        changed = text.replace("run_dir: run,", "run_dir: another-run,").replace(
            f"{role}: {{hosts: [{self.hosts[name]},", f"{role}: {{hosts: [{self.hosts['another']},")
        self.assertEqual(changed.count(self.hosts["another"]), 1)
        config.write_text(changed)
        with open(self.cluster.folder / f"another-{name}.log", "wb") as log:
            another = subprocess.Popen(
                ["ip", "netns", "exec", self.hosts["another"], BIN / f"freshet-{role}",
                 "--config", config, "--rank", rank], stdout=log, stderr=log)
        self.addCleanup(another.wait, 10)
        self.addCleanup(another.kill)
        return another

    def trained_by_worker_0(self):
        return member(self.cluster.status(), "WORKER", 0)["report"]["samples"]

    def a_host_is_cut_off_from_everybody(self):
        before = self.cluster.status()["epoch"]
        with self.hosts.cut("worker-1", "coordinator", "ps-0", "ps-1"):
            self.feed_for(CUT_S)
        self.assertGreater(self.wait_for_training()["epoch"], before)

    def add_lines(self):
        self.writer.append(next(self.lines) for _ in range(LINES_PER_TICK))

    def feed_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.add_lines()
            time.sleep(TICK_S)

    def wait_for_training(self):
        """Until there is a version with samples that are written only now: its status."""
        began = time.monotonic()
        version = self.cluster.wait(lambda s: s["phase"] == "TRAINING", "training")["version"]
        lines = self.writer.lines

        def goes_on(status):
            self.add_lines()
            return (status["phase"] == "TRAINING" and status["version"] > version
                    and status["samples"] > lines)
        status = self.cluster.wait(goes_on, f"a version after {version}")
        print(f"trains after {time.monotonic() - began:.1f} s: epoch {status['epoch']}, "
              f"version {status['version']}", file=sys.stderr)
        return status


def member(status, role, rank):
    return next(member for member in status["members"]
                if (member["role"], member["rank"]) == (role, rank))


if __name__ == "__main__":
    enter_network()
    limit_test(220)
    unittest.main(verbosity=2)
