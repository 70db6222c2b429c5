#!/usr/bin/python3
"""A rollback takes model, served model and stream position back together."""

import re
import unittest

from harness import Cluster
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from versions import kind, manifests
from waiting import limit_test


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

    def test_a_version_that_there_is_not_is_refused(self):
        with Cluster(LEDGER, serving=0) as cluster:
            StreamWriter(cluster.stream).append(make_lines(100, seed=5))
            cluster.start()
            cluster.wait(lambda s: s["version"] > 0, "a version")
            refused = cluster.freshetctl("rollback", 999_999, check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("999999", refused.stderr)


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
