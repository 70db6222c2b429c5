#!/usr/bin/python3
"""The rows of a live cluster: explained, taken out for good, and written for other programs."""

import re
import threading
import unittest

import numpy
import xxhash
from harness import Cluster
from ledger import LEDGER, ledger_of
from samples import StreamWriter, differing_keys, expected_ledger, make_lines
from waiting import limit_test, wait_until

FM = """
model:
  kind: fm
  factors: 4
  optimizer: {kind: adagrad, learning_rate: 0.05}
  eviction: {steps_to_live: 10, evict_every_steps: 1000000}
"""
LINES = 20_000


class RowsTest(unittest.TestCase):
    def test_rows_are_explained_forgotten_shrunk_and_exported(self):
        with Cluster(FM, "training: {batch_size: 128}") as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(LINES, seed=6))
            cluster.start()
            cluster.wait(lambda s: s["samples"] >= LINES and s["served_version"] > 0
                         and s["served_version"] == s["version"], "the lines served")
            self.check_explain(cluster)
            self.check_forget(cluster)
            self.check_shrink(cluster)
            self.check_export(cluster)
            self.check_errors(cluster)
            writer.finish()
            cluster.wait_finished()
            # The stream has ended, and rows can still go.
            version = self.forget(cluster, "item=i2")
            cluster.wait(lambda s: s["served_version"] >= version, f"serving to have {version}")
            self.assertIsNone(self.served(cluster, "item", "i2"))

    def test_what_is_forgotten_while_servers_die_stays_forgotten(self):
        with Cluster(LEDGER, serving=0, cut_every="100ms") as cluster:
            writer = StreamWriter(cluster.stream)
            writer.append(make_lines(5000, seed=7))
            cluster.start()
            cluster.wait(lambda s: s["samples"] == writer.lines, "the lines trained")
            cluster.freshetctl("cut")
            expected = expected_ledger(cluster.stream)
            seed = xxhash.xxh3_64_intdigest("user")
            for user in range(1, 16):
                cluster.wait(lambda s: s["phase"] == "TRAINING", "training")
                # Before, within and after the cut that forgets the key.
                killer = threading.Timer(user * 0.006, cluster.kill, [f"ps-{user % 2}"])
                killer.start()
                version = self.forget_in_the_end(cluster, f"user=u{user}")
                killer.join()
                del expected[xxhash.xxh3_64_intdigest(f"u{user}", seed=seed)]
                self.assertEqual(differing_keys(ledger_of(cluster, version), expected), {})
            writer.finish()
            status = cluster.wait_finished()
            self.assertGreater(status["rewinds"], 0)
            self.assertEqual(differing_keys(ledger_of(cluster), expected), {})

    def forget_in_the_end(self, cluster, key):
        """Asks until the answer is a version, as one does who is told to try again."""
        def asked():
            answer = cluster.freshetctl("forget", "ledger", key, check=False)
            match = re.search(r"in version (\d+)\n$", answer.stdout)
            return int(match.group(1)) if answer.returncode == 0 else None
        return wait_until(asked, f"{key} to be forgotten", every_s=0.1)

    def forget(self, cluster, *keys):
        printed = cluster.freshetctl("forget", "factors", *keys).stdout
        match = re.fullmatch(r"forgot (\d+) keys of 'factors', (\d+) of them with a row, "
                             r"in version (\d+)\n", printed)
        self.assertIsNotNone(match, printed)
        self.assertEqual(int(match.group(1)), len(keys))
        self.assertEqual(int(match.group(2)), len(keys))
        return int(match.group(3))

    def served(self, cluster, slot, value):
        """The row that serving has of a value; None if it has none."""
        code, answer = cluster.http("serving-0", "/v1/embeddings", {"slot": slot,
                                                                    "values": [value]})
        self.assertEqual(code, 200, answer)
        return answer["values"][0]

    def explain(self, cluster, key):
        return cluster.freshetctl("explain", "factors", key).stdout

    def check_explain(self, cluster):
        known = self.explain(cluster, "user=u1")
        self.assertRegex(known, r"^key \d+ \(0x[0-9a-f]{16}\) of 'factors': partition \d+ of 64, "
                                r"on ps-[01] at \S+\n  row in memory: frequency \d+, ")
        self.assertIn("steps_to_live: ", known)
        self.assertIn("served\n", known)
        self.assertIn("  no row\n", self.explain(cluster, "user=nobody"))

    def check_forget(self, cluster):
        self.assertIsNotNone(self.served(cluster, "user", "u1"))
        version = self.forget(cluster, "user=u1", "item=i1")
        cluster.wait(lambda s: s["served_version"] >= version, f"serving to have {version}")
        self.assertIsNone(self.served(cluster, "user", "u1"))
        self.assertIsNone(self.served(cluster, "item", "i1"))
        self.assertIsNotNone(self.served(cluster, "user", "u2"))
        # A rewind does not bring them back.
        rewinds = cluster.status()["rewinds"]
        for name in ("ps-0", "ps-1"):
            self.assertTrue(cluster.kill(name))
        cluster.wait(lambda s: s["rewinds"] > rewinds and s["phase"] == "TRAINING", "a rewind")
        self.assertIn("  no row\n", self.explain(cluster, "user=u1"))

    def check_shrink(self, cluster):
        before = self.exported(cluster, "before")
        dry = cluster.freshetctl("shrink", "factors", "--dry-run").stdout
        would_go = re.search(r"factors +steps_to_live +([\d,]+) .*\n.*would go\n", dry)
        self.assertIsNotNone(would_go, dry)
        gone = cluster.freshetctl("shrink").stdout
        self.assertIn(would_go.group(1) + " rows (", gone)
        self.assertRegex(gone, r"are gone in version \d+\n$")
        after = self.exported(cluster, "after")
        count = int(would_go.group(1).replace(",", ""))
        self.assertGreater(count, 0)
        self.assertGreater(len(after), 0)
        self.assertEqual(len(before) - len(after), count)
        self.assertEqual(set(after) - set(before), set())

    def exported(self, cluster, name):
        """key -> row of the newest version."""
        folder = cluster.folder / name
        cluster.freshetctl("export", "factors", "--format", "npy", "--output", folder)
        keys = numpy.load(folder / "keys.npy")
        values = numpy.load(folder / "values.npy")
        self.assertEqual(values.shape, (len(keys), 5))
        return dict(zip(keys.tolist(), values.tolist()))

    def check_export(self, cluster):
        rows = self.exported(cluster, "npy")
        path = cluster.folder / "rows.csv"
        cluster.freshetctl("export", "factors", "--output", path)
        lines = path.read_text().splitlines()
        self.assertEqual(lines[0], "key,value_0,value_1,value_2,value_3,value_4")
        table = {int(key): [float(numpy.float32(v)) for v in values]
                 for key, *values in (line.split(",") for line in lines[1:])}
        self.assertEqual(table, rows)

    def check_errors(self, cluster):
        for command in (["forget", "factor", "1"], ["explain", "factor", "1"],
                        ["shrink", "factor"],
                        ["export", "factor", "--output", cluster.folder / "none"]):
            refused = cluster.freshetctl(*command, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("did you mean 'factors'?); it has: factors", refused.stderr)
        refused = cluster.freshetctl("explain", "factors", "usr=u1", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("did you mean 'user'?", refused.stderr)


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
