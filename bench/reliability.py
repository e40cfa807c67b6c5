"""The promises at full scale: the reliability and security tests with more rounds, and the figures they print.

    python bench/reliability.py [--scale 10] [drain faults crash ...]

Words choose modules by name; none means all of them. Figures also go to bench/out/reliability.txt.
"""

import argparse
import os
import subprocess
import sys

from _harness import OUT, ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=10)
    parser.add_argument("modules", nargs="*")
    chosen = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    figures = OUT / "reliability.txt"
    figures.unlink(missing_ok=True)
    rooms = [ROOT / "tests" / room for room in ("reliability", "security")]
    files = [
        str(path)
        for room in rooms
        for path in sorted(room.glob("test_*.py"))
        if not chosen.modules or any(word in path.name for word in chosen.modules)
    ]
    env = os.environ | {"FARTHING_SCALE": str(chosen.scale), "FARTHING_FIGURES": str(figures)}
    status = subprocess.run([sys.executable, "-m", "pytest", *files], cwd=ROOT, env=env, check=False).returncode
    print("\n" + figures.read_text() if figures.exists() else "\nno figures")
    sys.exit(status)


if __name__ == "__main__":
    main()
