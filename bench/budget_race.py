"""100 rounds of 64 callers in two processes for a budget of 10: how many get in.

python bench/budget_race.py [rounds]
"""

import sys

from _harness import print_promises

if __name__ == "__main__":
    sys.exit(
        print_promises("budget_race", ["tests/reliability/test_budget_race.py"], {"FARTHING_ROUNDS": sys.argv[1] if len(sys.argv) > 1 else "100"})
    )
