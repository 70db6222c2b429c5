#!/usr/bin/python3
"""A short torture: what scripts/torture does for as long as one likes."""

import os
import random
import sys
import unittest

from torture import Round
from waiting import limit_test

ROUNDS = int(os.environ.get("FRESHET_TORTURE_ROUNDS", "4"))
SEED = int(os.environ.get("FRESHET_SEED", random.randrange(10**9)))


class TortureTest(unittest.TestCase):
    def test_clusters_of_chance_lose_nothing_and_double_nothing(self):
        chance = random.Random(SEED)
        for _ in range(ROUNDS):
            one = Round(chance.randrange(10**9))
            problem = one.run()
            print(f"seed {one.seed}: {one.shape}; {dict(one.done)}", file=sys.stderr)
            self.assertEqual(problem, "", f"scripts/torture --seed-of-round {one.seed}")


if __name__ == "__main__":
    print(f"FRESHET_SEED={SEED}", file=sys.stderr)
    limit_test(270)
    unittest.main(verbosity=2)
