"""1,000 kill -9 of a worker that books at full speed: acknowledged rows lost, doubled or torn. Takes minutes.

python bench/kill9.py [trials]
"""

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    trials = sys.argv[1] if len(sys.argv) > 1 else "1000"
    command = [sys.executable, "-m", "pytest", "-s", "tests/reliability/test_kill9.py"]
    sys.exit(subprocess.run(command, cwd=Path(__file__).parent.parent, env=os.environ | {"FARTHING_TRIALS": trials}, check=False).returncode)
