#!/usr/bin/python3
"""Kills and power cuts at operations on the version log, one of each kind;
scripts/torture --systematic --all does so at every one."""

import os
import random
import sys
import unittest

from systematic_kills import count_operations, plan, print_table, run_all, without_syncs
from waiting import limit_test

SEED = int(os.environ.get("FRESHET_SEED", random.randrange(10**9)))
JOBS = max(3, os.cpu_count() or 1)


class SystematicKillsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"FRESHET_SEED={SEED}", file=sys.stderr)
        cls.operations = count_operations()

    def test_no_kill_and_no_power_cut_does_harm(self):
        self.assertGreater(len(self.operations), 100)
        kills = plan(self.operations, random.Random(SEED), everything=False)
        failures, deaths = run_all(kills, JOBS)
        print_table(deaths)
        self.assertEqual([problem for _, problem in failures], [])
        reached = sum(deaths.values()) - sum(deaths[key] for key in deaths if key[2] == "nothing")
        self.assertGreater(reached, 0.8 * len(kills))

    def test_a_sync_that_is_left_out_is_seen(self):
        kills = without_syncs(self.operations)
        failures, _ = run_all(kills, JOBS, report=lambda line: None)
        seen = dict(failures)
        for kill in kills:
            self.assertRegex(seen.get(kill, "nothing was seen"),
                             r"after the kill (a version is damaged|version \d+ is gone)",
                             f"without {kill.ignore_sync}, losing {kill.lose}")


if __name__ == "__main__":
    limit_test(280)
    unittest.main(verbosity=2)
