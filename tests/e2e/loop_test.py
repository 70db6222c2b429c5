#!/usr/bin/python3
"""The whole loop: a stream is learned, cut into versions, served; and every role stops cleanly."""

import unittest

from harness import Cluster
from samples import StreamWriter, make_lines
from waiting import limit_test

FM = """
model: {kind: fm, factors: 4, optimizer: {kind: adagrad, learning_rate: 0.05}}
"""
LINES = 20_000


class LoopTest(unittest.TestCase):
    def test_a_stream_is_learned_and_served(self):
        self.check_loop("as_stored")

    def test_with_int8_for_serving(self):
        self.check_loop("int8")

    def check_loop(self, serving_values):
        with Cluster(FM, "training: {batch_size: 256}",
                     coordinator=f"serving_values: {serving_values}") as cluster:
            writer = StreamWriter(cluster.stream)
            lines = list(make_lines(LINES, seed=1))
            writer.append(lines[:LINES // 2])
            cluster.start()
            cluster.wait(lambda s: s["samples"] >= LINES // 2 and s["version"] > 0,
                         "the first half trained")
            writer.append(lines[LINES // 2:])
            writer.finish()
            status = cluster.wait_finished()

            self.assertEqual(status["samples"], LINES)
            self.assertGreater(status["auc"], 0.6)
            self.check_versions(cluster, status)
            self.check_serving(cluster, status)
            self.check_clean_stop(cluster)

    def check_versions(self, cluster, status):
        self.assertIn(str(status["version"]), cluster.freshetctl("versions", "list").stdout)
        cluster.freshetctl("versions", "verify")
        part = max(cluster.log_dir.glob(f"{status['version']:012d}/part-*")).read_bytes()
        self.assertEqual(b"factors/serving_scales" in part, "int8" in cluster.config.read_text())

    def check_serving(self, cluster, status):
        code, answer = cluster.http("serving-0", "/v1/predict", {
            "context": {"user": "u1"}, "candidates": [{"item": f"i{i}"} for i in range(1, 15)]})
        self.assertEqual(code, 200, answer)
        self.assertEqual(answer["version"], status["version"])
        scores = answer["scores"]
        self.assertEqual(len(scores), 14)
        # Items 4, 5, 6 of each 7 are liked with 0.8, the others with 0.2 (samples.py).
        liked = [scores[i - 1] for i in range(1, 15) if i % 7 > 3]
        others = [scores[i - 1] for i in range(1, 15) if i % 7 <= 3]
        self.assertGreater(min(liked), max(others))

    def check_clean_stop(self, cluster):
        for name in reversed(cluster.names):
            cluster.stop(name)
            self.assertIn("supervise: " + name + ": stopped with 0", cluster.log(name))


if __name__ == "__main__":
    limit_test(100)
    unittest.main(verbosity=2)
