#!/usr/bin/python3
"""Nothing is lost and nothing counted twice, whatever is killed when.

The ledger model counts every sample at every key. While its stream grows, processes of every role
are killed with SIGKILL at random moments; in the end every key must have the count and the sum of
sample ids that follow from the files alone. FRESHET_SEED repeats a run's choices, FRESHET_KILLS
sets their number."""

import itertools
import os
import random
import sys
import time
import unittest

from harness import Cluster, wait_until
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines, wide_lines
from waiting import limit_test

KILLS = int(os.environ.get("FRESHET_KILLS", "60"))
SEED = int(os.environ.get("FRESHET_SEED", random.randrange(10**6)))
LINES_PER_TICK = 100
TICK_S = 0.05
LONGEST_PAUSE_S = 1.2


class Feed:
    """The stream, growing as time passes."""

    def __init__(self, folder):
        self.writer = StreamWriter(folder)
        self.lines = make_lines(10**9, seed=SEED)

    def add(self, count):
        self.writer.append(next(self.lines) for _ in range(count))

    def grow_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.add(LINES_PER_TICK)
            time.sleep(TICK_S)


class KillsTest(unittest.TestCase):
    def test_the_model_is_exact_after_many_kills(self):
        print(f"FRESHET_SEED={SEED}", file=sys.stderr)
        with Cluster(LEDGER, "training: {batch_size: 128, rpc_timeout: 500ms}") as cluster:
            feed = Feed(cluster.stream)
            feed.add(2000)
            cluster.start()
            killed = self.kill_all_over(cluster, feed)
            feed.writer.finish()
            status = cluster.wait_finished()

            got = ledger_of(cluster)
            wrong = differing_keys(got, expected_ledger(cluster.stream))
            print(f"{feed.writer.lines} samples, kills {killed}, version {status['version']}, "
                  f"epoch {status['epoch']}, {len(got)} keys, {len(wrong)} differ",
                  file=sys.stderr)
            self.assertEqual(dict(list(wrong.items())[:5]), {})
            self.assertEqual(status["samples"], feed.writer.lines)
            self.assertGreaterEqual(sum(killed.values()), KILLS)
            # A coordinator that comes back, and a ps or worker, begin a new epoch each.
            self.assertGreater(status["epoch"], KILLS // 4)

    def test_rows_on_disk_stay_where_they_are_when_others_die(self):
        with Cluster(LEDGER, "training: {batch_size: 128, rpc_timeout: 500ms}", serving=0,
                     owner_threads=1, cut_every="1s",
                     storage="{type: dram_ssd, dram_bytes: 4MiB, path: tier}") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = wide_lines(SEED)
            writer.append(itertools.islice(lines, 100_000))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == writer.lines, "the lines trained")
            cluster.freshetctl("cut")
            for name in ("worker-0", "coordinator", "worker-1", "ps-0"):
                self.assertGreater(cluster.metric("ps-1", "freshet_ps_cold_rows"), 5000)
                before = cluster.metric("ps-1", "freshet_ps_rewinds_total")
                trained = writer.lines
                writer.append(itertools.islice(lines, 500))
                cluster.wait(lambda s: s["samples"] > trained, "some more trained")
                epoch = cluster.status()["epoch"]
                self.assertTrue(cluster.kill(name))
                cluster.wait(lambda s: s["epoch"] > epoch and s["phase"] == "TRAINING", "a rewind")
                self.assertGreater(cluster.metric("ps-1", "freshet_ps_rewinds_total"), before)
            writer.finish()
            cluster.wait_finished()
            self.assertEqual(
                differing_keys(ledger_of(cluster), expected_ledger(cluster.stream)), {})

    def kill_all_over(self, cluster, feed):
        """Kills every process in turn, in an order of chance, until there were KILLS: by name."""
        chance = random.Random(SEED)
        killed = dict.fromkeys(cluster.names, 0)
        while sum(killed.values()) < KILLS:
            before = cluster.wait(lambda s: s["version"] > 0, "a version")["version"]
            for name in chance.sample(cluster.names, len(cluster.names)):
                feed.grow_for(chance.uniform(0, LONGEST_PAUSE_S))
                wait_until(lambda name=name: cluster.kill(name), f"{name} to kill")
                killed[name] += 1
            # Each round begins in a cluster that has got somewhere since the last.
            self.wait_for_progress(cluster, feed, before)
        return killed

    def wait_for_progress(self, cluster, feed, version):
        def newer(status):
            feed.add(LINES_PER_TICK)
            return status["phase"] == "TRAINING" and status["version"] > version
        cluster.wait(newer, f"a version after {version}")


if __name__ == "__main__":
    limit_test(280)
    unittest.main(verbosity=2)
