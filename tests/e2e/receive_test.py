#!/usr/bin/python3
"""Samples that cannot be read a second time, on real processes: what comes over the standard input,
ZeroMQ, or in a log that is rotated, is learned once, whoever is killed."""

import random
import subprocess
import time
import unittest

import zmq

from harness import BIN, Cluster
from ledger import LEDGER, ledger_of
from samples import differing_keys, expected_ledger, make_lines
from waiting import limit_test, wait_until

TRAINING = "training: {batch_size: 64, rpc_timeout: 500ms, max_batch_wait: 5ms}"


class ReceiveTest(unittest.TestCase):
    def assert_learned_once(self, cluster, sent):
        """Each line that was sent is in the stream's folder once, and was learned once."""
        received = []
        for path in cluster.stream.glob("[0-9]*"):
            received += path.read_text().splitlines(keepends=True)
        self.assertEqual(sorted(received), sorted(sent))
        expected = expected_ledger(cluster.stream, names="[0-9]*")
        self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def test_standard_input_day_after_day(self):
        lines = make_lines(6000, seed=4)
        receive = "{from: stdin, segment_bytes: 4KiB}"
        with Cluster(LEDGER, TRAINING, workers=1, receive=receive) as cluster:
            sent = []
            for _ in range(2):
                day = [next(lines) for _ in range(3000)]
                sent += day
                done = subprocess.run(
                    [BIN / "freshet-local", "--config", cluster.config, "--until-finished"],
                    input="".join(day), capture_output=True, text=True, timeout=60, check=True)
                self.assertIn(f"samples={len(sent)} ", done.stdout)
            self.assert_learned_once(cluster, sent)

    def test_zeromq_with_kills(self):
        numbers = random.Random(5)
        lines = make_lines(10**9, seed=5)
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            port = push.bind_to_random_port("tcp://127.0.0.1")
            receive = (f"{{from: zmq, address: 'tcp://127.0.0.1:{port}', connect: true, "
                       "partitions: 2, segment_bytes: 20KiB}")
            with Cluster(LEDGER, TRAINING, receive=receive) as cluster:
                cluster.start()
                sent = []
                for victim in ("worker-1", "ps-0", "coordinator", "ps-1", "worker-1"):
                    for _ in range(20):
                        for _ in range(50):
                            sent.append(next(lines))
                            push.send(sent[-1].rstrip("\n").encode())
                        time.sleep(numbers.random() * 0.04)
                    cluster.kill(victim)
                cluster.wait(lambda s: s["samples"] == len(sent), "all samples")
                # The receiver itself, when nothing is under way to it.
                killed = cluster.pid("worker-0")
                cluster.kill("worker-0")
                wait_until(lambda: cluster.pid("worker-0") not in (None, killed), "a new worker-0")
                more = [next(lines) for _ in range(500)]
                sent += more
                for line in more:
                    push.send(line.encode())
                cluster.wait(lambda s: s["samples"] == len(sent), "those after the receiver's end")
                (cluster.stream / "_SUCCESS").touch()
                cluster.wait_finished()
                self.assert_learned_once(cluster, sent)

    def test_a_log_that_is_rotated_with_kills(self):
        numbers = random.Random(6)
        lines = make_lines(10**9, seed=6)
        receive = "{from: log, log: clicks.log, segment_bytes: 20KiB}"
        with Cluster(LEDGER, TRAINING, workers=1, receive=receive) as cluster:
            log = cluster.folder / "clicks.log"
            log.touch()
            cluster.start()
            sent = []
            for turn, victim in enumerate(("worker-0", "ps-0", "worker-0", "coordinator",
                                           "worker-0")):
                for _ in range(20):
                    chunk = [next(lines) for _ in range(50)]
                    sent += chunk
                    with open(log, "a", encoding="ascii") as file:
                        file.write("".join(chunk))
                    time.sleep(numbers.random() * 0.04)
                log.rename(cluster.folder / f"clicks.log.{turn}")
                cluster.kill(victim)
                time.sleep(0.02)
                log.touch()
            cluster.wait(lambda s: s["samples"] == len(sent), "all samples")
            wait_until(lambda: "receive_gaps_total 0" in
                       cluster.http("worker-0", "/metrics", parse=False)[1], "no gap")
            (cluster.stream / "_SUCCESS").touch()
            cluster.wait_finished()
            self.assertEqual("".join(path.read_text()
                                     for path in sorted(cluster.stream.glob("[0-9]*"))),
                             "".join(sent))
            self.assert_learned_once(cluster, sent)


if __name__ == "__main__":
    limit_test(150)
    unittest.main(verbosity=2)
