"""100 rounds of 64 callers in two processes for a budget of 10: how many get in.

python bench/budget_race.py [rounds]
"""

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    rounds = sys.argv[1] if len(sys.argv) > 1 else "100"
    command = [sys.executable, "-m", "pytest", "-s", "tests/reliability/test_budget_race.py"]
    sys.exit(subprocess.run(command, cwd=Path(__file__).parent.parent, env=os.environ | {"FARTHING_ROUNDS": rounds}, check=False).returncode)
