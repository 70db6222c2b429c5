#!/usr/bin/python3
"""In bsp a run that is killed again and again makes, bit for bit, the model of one that is not; so
does one whose features come and go by rules, and whose rows do not fit into memory."""

import os
import random
import sys
import time
import unittest

from harness import Cluster, wait_until
from samples import FORMAT, StreamWriter, make_lines
from waiting import limit_test

FM = """
model: {kind: fm, factors: 8, optimizer: {kind: adagrad, learning_rate: 0.05}}
"""
# Rules of every kind, and rows so large that most of them are on disk.
RULES = """
model:
  kind: fm
  factors: 512
  optimizer: {kind: adagrad, learning_rate: 0.05}
  admission: {admit_probability: 0.9}
  eviction: {steps_to_live: 150, ttl_secs: 20000, delete_threshold: 0.15, max_bytes: 10MiB,
             evict_every_steps: 10}
  score: {nonclk_coeff: 0.1, click_coeff: 1, show_click_decay_rate: 0.9}
  serving_filter: {min_frequency: 3}
"""
RULES_FORMAT = FORMAT.replace("name: item,", "name: item, admission: {filter_freq: 2},")
STORAGE = "{type: dram_ssd, dram_bytes: 4MiB, path: tier}"
TRAINING = "training: {batch_size: 128, consistency: bsp, rpc_timeout: 500ms, announce: true}"
LINES = 40_000
PIECES = 40
SEED = int(os.environ.get("FRESHET_SEED", random.randrange(10**6)))


def run_whole(model, lines, sample_format):
    with Cluster(model, TRAINING, serving=0, sample_format=sample_format) as cluster:
        writer = StreamWriter(cluster.stream, partitions=4)
        writer.append(lines)
        writer.finish()
        cluster.start()
        status = cluster.wait_finished()
        return status, cluster.freshetctl("dump").stdout


def run_with_kills(model, lines, sample_format, storage):
    """The same stream, arriving piece by piece, with a process killed at most pieces."""
    chance = random.Random(SEED)
    kills = 0
    with Cluster(model, TRAINING, serving=0, storage=storage,
                 sample_format=sample_format) as cluster:
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
        # Of the servers that run now.
        servers = [name for name in cluster.names if name.startswith("ps")]
        counted = {name: sum(cluster.metric(server, f"freshet_ps_{name}_rows_total")
                             for server in servers)
                   for name in ("evicted", "demoted", "promoted")}
        return status, cluster.freshetctl("dump").stdout, kills, counted


class DeterministicTest(unittest.TestCase):
    def test_killed_and_whole_runs_make_the_same_bits(self):
        self.compare(FM, list(make_lines(LINES, seed=2)), FORMAT)

    def test_so_do_runs_with_rules_for_features_and_rows_on_disk(self):
        lines = list(make_lines(LINES, seed=3, users=10**9, items=10**9, skew=0.3))
        counted = self.compare(RULES, lines, RULES_FORMAT, STORAGE)
        self.assertGreater(min(counted.values()), 0)

    def compare(self, model, lines, sample_format, storage="{type: dram}"):
        print(f"FRESHET_SEED={SEED}", file=sys.stderr)
        whole_status, whole = run_whole(model, lines, sample_format)
        killed_status, killed, kills, counted = run_with_kills(
            model, lines, sample_format, storage)
        print(f"{kills} kills, epoch {killed_status['epoch']}, {len(whole.splitlines())} lines of "
              f"dump, rows counted: {counted}", file=sys.stderr)

        self.assertGreater(kills, 5)
        self.assertGreater(killed_status["epoch"], whole_status["epoch"])
        self.assertGreater(len(whole.splitlines()), 500)
        self.assertEqual(whole_status["samples"], LINES)
        self.assertEqual(killed_status["samples"], LINES)
        self.assertEqual(killed_status["auc"], whole_status["auc"])
        self.assertEqual(killed.splitlines(), whole.splitlines())
        return counted


if __name__ == "__main__":
    limit_test(280)
    unittest.main(verbosity=2)
