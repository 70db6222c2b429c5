#!/usr/bin/python3
"""In bsp a run that is killed again and again makes, bit for bit, the model of one that is not."""

import os
import random
import sys
import time
import unittest

from harness import Cluster, wait_until
from samples import StreamWriter, make_lines
from waiting import limit_test

FM = """
model: {kind: fm, factors: 8, optimizer: {kind: adagrad, learning_rate: 0.05}}
"""
TRAINING = "training: {batch_size: 128, consistency: bsp, rpc_timeout: 500ms}"
LINES = 40_000
PIECES = 40
SEED = int(os.environ.get("FRESHET_SEED", random.randrange(10**6)))


def run_whole(lines):
    with Cluster(FM, TRAINING, serving=0) as cluster:
        writer = StreamWriter(cluster.stream, partitions=4)
        writer.append(lines)
        writer.finish()
        cluster.start()
        status = cluster.wait_finished()
        return status, cluster.freshetctl("dump").stdout


def run_with_kills(lines):
    """The same stream, arriving piece by piece, with a process killed at most pieces."""
    chance = random.Random(SEED)
    kills = 0
    with Cluster(FM, TRAINING, serving=0) as cluster:
        writer = StreamWriter(cluster.stream, partitions=4)
        cluster.start()
        for piece in range(PIECES):
            writer.append(lines[piece * LINES // PIECES:(piece + 1) * LINES // PIECES])
            time.sleep(chance.uniform(0, 0.3))
            if chance.random() < 0.4:
                name = chance.choice(cluster.names)
                wait_until(lambda name=name: cluster.kill(name), f"{name} to kill")
                kills += 1
        writer.finish()
        status = cluster.wait_finished()
        return status, cluster.freshetctl("dump").stdout, kills


class DeterministicTest(unittest.TestCase):
    def test_killed_and_whole_runs_make_the_same_bits(self):
        print(f"FRESHET_SEED={SEED}", file=sys.stderr)
        lines = list(make_lines(LINES, seed=2))
        whole_status, whole = run_whole(lines)
        killed_status, killed, kills = run_with_kills(lines)
        print(f"{kills} kills, epoch {killed_status['epoch']}", file=sys.stderr)

        self.assertGreater(kills, 5)
        self.assertGreater(killed_status["epoch"], whole_status["epoch"])
        self.assertGreater(len(whole.splitlines()), 500)
        self.assertEqual(whole_status["samples"], LINES)
        self.assertEqual(killed_status["samples"], LINES)
        self.assertEqual(killed_status["auc"], whole_status["auc"])
        self.assertEqual(killed.splitlines(), whole.splitlines())


if __name__ == "__main__":
    limit_test(160)
    unittest.main(verbosity=2)
