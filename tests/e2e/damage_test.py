#!/usr/bin/python3
"""A damaged version is refused by name; the one before is used, and nothing is lost by it."""

import unittest

from harness import Cluster, wait_until
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import flip_bit, kind, manifests, part_paths
from waiting import limit_test


def flip_in_the_middle(path):
    flip_bit(path, path.stat().st_size // 2)


def cut_short(path):
    content = path.read_bytes()
    path.write_bytes(content[:-7])


def zero_the_end(path):
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes(40))


def largest_part(cluster, version):
    return part_paths(cluster, version)[0]


def manifest_of(cluster, version):
    return cluster.log_dir / f"{version:012d}" / "manifest.json"


class DamageTest(unittest.TestCase):
    def test_a_flipped_bit(self):
        self.check(flip_in_the_middle, largest_part)

    def test_a_truncated_part(self):
        self.check(cut_short, largest_part)

    def test_a_manifest_whose_end_is_lost(self):
        self.check(zero_the_end, manifest_of)

    def check(self, damage, file_of):
        with Cluster(LEDGER, "training: {batch_size: 128}") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=3)
            cluster.start()
            # At least two versions with rows, so that there is one before the damaged one.
            for _ in range(2):
                writer.append(next(lines) for _ in range(3000))
                cluster.wait(lambda s: s["samples"] == writer.lines and self.all_cut(cluster, s),
                             "a version of all samples so far")
            cluster.stop()
            newest, before = self.newest_with_parts(cluster)
            damaged = file_of(cluster, newest)
            damage(damaged)

            self.check_serving_alone(cluster, damaged, before)
            cluster.start(*[name for name in cluster.names if name != "serving-0"])
            status = cluster.wait(lambda s: s["phase"] == "TRAINING" and s["version"] > newest,
                                  "training to go on")
            self.assertIn(damaged.name, cluster.log("coordinator"))
            self.check_rolled_back(cluster, newest, before)

            writer.append(next(lines) for _ in range(3000))
            writer.finish()
            status = cluster.wait_finished()
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})
            self.assertEqual(status["samples"], writer.lines)

    def all_cut(self, cluster, status):
        """The newest version holds all of the stream that is there."""
        log = manifests(cluster)
        if not log:
            return False
        newest = log[max(log)]
        trained = sum(int(p.get("offset", 0)) for w in newest.get("workers", [])
                      for p in w.get("positions", []))
        return trained == sum(p.stat().st_size for p in cluster.stream.glob("*.csv"))

    def newest_with_parts(self, cluster):
        """The newest version, which has rows, and the one before it."""
        log = manifests(cluster)
        newest = max(log)
        while not part_paths(cluster, newest):
            newest = max(v for v in log if v < newest)
        self.assertEqual(newest, max(log), "the newest version has no rows to damage")
        return newest, int(log[newest]["parent"])

    def check_serving_alone(self, cluster, damaged, before):
        """Serving, started while nobody has repaired the log, uses the version before."""
        cluster.start("serving-0")
        wait_until(lambda: cluster.http("serving-0", "/health")[1].get("version") == before,
                   lambda: f"version {before}: {cluster.http('serving-0', '/health')}")
        wait_until(lambda: damaged.name in cluster.log("serving-0"), "its name in the log")

    def check_rolled_back(self, cluster, damaged, before):
        log = manifests(cluster)
        rollbacks = [m for v, m in log.items() if v > damaged and kind(m) == "ROLLBACK"]
        self.assertEqual([int(m["parent"]) for m in rollbacks], [before])


if __name__ == "__main__":
    limit_test(160)
    unittest.main(verbosity=2)
