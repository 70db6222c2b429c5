#!/usr/bin/python3
"""The programs that make the tables of docs/quality.md and docs/online-learning.md, on a part of
the data that ships: they run to their end, and the figures are those of models that learned."""

import json
import pathlib
import tempfile
import unittest

from harness import REPOSITORY, run
from waiting import limit_test


class PerfScriptsTest(unittest.TestCase):
    def test_online_beside_daily_beside_once(self):
        with tempfile.TemporaryDirectory(prefix="freshet-e2e-") as folder:
            plot, table = pathlib.Path(folder) / "plot.svg", pathlib.Path(folder) / "days.csv"
            done = run(REPOSITORY / "perf/online/run", "--start", "0.985", "--plot", plot,
                       "--csv", table)
            days = table.read_text().splitlines()
            self.assertTrue(plot.read_text().endswith("</svg>\n"))
        figures = json.loads(done.stdout)
        self.assertEqual(figures["ratings"], 1513)
        self.assertEqual(figures["days"], len(days) - 1)
        for model in ("online", "daily", "once"):
            self.assertGreater(figures[f"auc_{model}"], 0.65, model)
            self.assertLess(figures[f"log_loss_{model}"], 0.69, model)

    def test_quality_of_models(self):
        done = run(REPOSITORY / "perf/quality/run", "--kinds", "lr", "deepfm")
        figures = json.loads(done.stdout)
        for kind in ("lr", "deepfm"):
            self.assertGreater(figures[f"movielens_small_{kind}_auc"], 0.72, kind)
            self.assertLess(figures[f"movielens_small_{kind}_log_loss"], 0.62, kind)


if __name__ == "__main__":
    limit_test(110)
    unittest.main(verbosity=2)
