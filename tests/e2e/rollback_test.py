#!/usr/bin/python3
"""A rollback takes model, served model and stream position back together."""

import re
import unittest

from harness import Cluster
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import kind, manifests
from waiting import limit_test


def positions(manifest):
    """partition -> offset"""
    return {position["partition"]: int(position.get("offset", 0))
            for worker in manifest["workers"] for position in worker.get("positions", [])}


class RollbackTest(unittest.TestCase):
    def test_a_rollback_while_training_goes_on(self):
        # Cuts are far enough apart to see that serving has the rolled back version, and no later.
        with Cluster(LEDGER, "training: {batch_size: 128}", cut_every="2s") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=4)
            cluster.start()

            def grow(status, least):
                writer.append(next(lines) for _ in range(200))
                return status["version"] >= least
            target = cluster.wait(lambda s: grow(s, 1) and s["samples"] > 0, "a version")["version"]
            then = ledger_of(cluster, target)
            cluster.wait(lambda s: grow(s, target + 2), "two more versions")

            printed = cluster.freshetctl("rollback", target).stdout
            made = int(re.search(r"version (\d+)", printed).group(1))
            cluster.wait(lambda s: s["served_version"] == made, f"serving to have {made}")
            self.assertEqual(cluster.http("serving-0", "/health")[1]["version"], made)
            log = manifests(cluster)
            self.assertEqual(kind(log[made]), "ROLLBACK")
            self.assertEqual(int(log[made]["parent"]), target)
            self.assertEqual(ledger_of(cluster, made), then)

            writer.finish()
            status = cluster.wait_finished()
            wrong = differing_keys(ledger_of(cluster), expected_ledger(cluster.stream))
            self.assertEqual(wrong, {})
            self.assertEqual(status["samples"], writer.lines)
            # Nothing from before the rollback is in the chain that it was learned by.
            between = [v for v in log if target < v < made]
            self.assertTrue(between)
            parents = {int(m.get("parent", 0)) for v, m in manifests(cluster).items() if v > made}
            self.assertFalse(parents & set(between))

    def grow_past_a_version(self, cluster, writer, lines):
        """A version, and at least two more after it: its number, and its manifest."""
        def grow(status, least):
            writer.append(next(lines) for _ in range(200))
            return status["version"] >= least
        target = cluster.wait(lambda s: grow(s, 1) and s["samples"] > 0, "a version")["version"]
        cluster.wait(lambda s: grow(s, target + 2), "two more versions")
        return target, manifests(cluster)[target]

    def test_samples_that_a_rollback_skips_are_not_learned_again(self):
        with Cluster(LEDGER, "training: {batch_size: 128}", cut_every="300ms") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=6)
            cluster.start()
            target, manifest = self.grow_past_a_version(cluster, writer, lines)
            begin = int(manifest["event_time_watermark_ms"]) // 1000 + 20
            end = begin + 100
            cluster.freshetctl("rollback", target, "--skip", f"@{begin}..@{end}",
                               "--skip", "item=i3")
            # The rules outlive a rewind, and go on with the stream.
            cluster.kill("ps-0")
            writer.append(next(lines) for _ in range(500))
            writer.finish()
            cluster.wait_finished()

            before = positions(manifest)

            def learned(partition, offset, line):
                _, item, _, time = line.decode().split(",")
                return (offset <= before.get(partition, 0)
                        or not (begin <= int(time) < end or item == "i3"))
            expected = expected_ledger(cluster.stream, learned)
            self.assertNotEqual(expected, expected_ledger(cluster.stream))
            self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def test_a_rollback_that_keeps_the_positions(self):
        with Cluster(LEDGER, "training: {batch_size: 128}", cut_every="300ms") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=7)
            cluster.start()
            target, manifest = self.grow_past_a_version(cluster, writer, lines)
            printed = cluster.freshetctl("rollback", target, "--keep-positions").stdout
            made = int(re.search(r"version (\d+)", printed).group(1))
            writer.append(next(lines) for _ in range(500))
            writer.finish()
            cluster.wait_finished()

            before, after = positions(manifest), positions(manifests(cluster)[made])
            self.assertNotEqual(before, after)
            expected = expected_ledger(
                cluster.stream,
                lambda partition, offset, _: offset <= before.get(partition, 0)
                or offset > after[partition])
            self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def test_a_rollback_to_before_a_time(self):
        with Cluster(LEDGER, "training: {batch_size: 128}", cut_every="300ms",
                     serving=0) as cluster:
            writer = StreamWriter(cluster.stream)
            lines = make_lines(10**9, seed=8)
            cluster.start()
            target, manifest = self.grow_past_a_version(cluster, writer, lines)
            time = int(manifest["event_time_watermark_ms"]) // 1000 + 1
            printed = cluster.freshetctl("rollback", "--before", f"@{time}").stdout
            self.assertIn(f"is version {target} again", printed)
            refused = cluster.freshetctl("rollback", "--before", "2001-01-01", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("no version from before", refused.stderr)

    def test_a_version_that_there_is_not_is_refused(self):
        with Cluster(LEDGER, serving=0) as cluster:
            StreamWriter(cluster.stream).append(make_lines(100, seed=5))
            cluster.start()
            cluster.wait(lambda s: s["version"] > 0, "a version")
            refused = cluster.freshetctl("rollback", 999_999, check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("999999", refused.stderr)


if __name__ == "__main__":
    limit_test(200)
    unittest.main(verbosity=2)
