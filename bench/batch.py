"""Batches: every item answered once across kill -9.

python bench/batch.py [--items 10000] [--kills 20]
"""

import argparse
import sys

from _harness import print_promises

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", default="10000")
    parser.add_argument("--kills", default="20")
    asked = parser.parse_args()
    scale = {"FARTHING_BATCH_ITEMS": asked.items, "FARTHING_BATCH_KILLS": asked.kills}
    sys.exit(print_promises("batch", ["tests/reliability/test_batch_kill9.py"], scale))
