"""The promises at full scale: the reliability and security tests with more rounds, and the figures they print.

    python bench/reliability.py [--scale 10] [drain faults crash ...]

Words choose modules by name; none means all of them. Figures also go to bench/out/reliability.txt.
"""

import argparse
import sys

from _harness import ROOT, print_promises

_OWN_SCRIPT = ("test_kill9.py", "test_budget_race.py", "test_money.py")  # bench/kill9.py, bench/budget_race.py, bench/money.py


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=10)
    parser.add_argument("modules", nargs="*")
    chosen = parser.parse_args()
    rooms = [ROOT / "tests" / room for room in ("reliability", "security")]
    files = [
        str(path)
        for room in rooms
        for path in sorted(room.glob("test_*.py"))
        if path.name not in _OWN_SCRIPT and (not chosen.modules or any(word in path.name for word in chosen.modules))
    ]
    sys.exit(print_promises("reliability", files, {"FARTHING_SCALE": str(chosen.scale)}))


if __name__ == "__main__":
    main()
