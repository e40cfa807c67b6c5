"""R2 and O1 at full scale: 100,000 mixed requests through two workers; the book equals an independent oracle, and the counters equal the book.

    python bench/money.py [--requests 100000]

The test is `tests/reliability/test_money.py`; continuous integration runs it with 10,000. Figures also go to bench/out/money.txt.
"""

import argparse
import sys

from _harness import ROOT, print_promises

_AT_SCALE_ONE = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    scale = parser.parse_args().requests / _AT_SCALE_ONE
    sys.exit(print_promises("money", [str(ROOT / "tests" / "reliability" / "test_money.py")], {"FARTHING_SCALE": str(scale)}))


if __name__ == "__main__":
    main()
