"""1,000 kill -9 of a worker that books at full speed: acknowledged rows lost, doubled or torn. Takes minutes.

python bench/kill9.py [trials]
"""

import sys

from _harness import print_promises

if __name__ == "__main__":
    sys.exit(print_promises("kill9", ["tests/reliability/test_kill9.py"], {"FARTHING_TRIALS": sys.argv[1] if len(sys.argv) > 1 else "1000"}))
