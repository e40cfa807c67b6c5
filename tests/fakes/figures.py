"""The one line that each promise comes to, and the scale at which it was tested.

`FARTHING_SCALE=10` makes rounds ten times as many; 1 is what continuous integration runs.
"""

import os

LINES: list[str] = []


def rounds(base: int) -> int:
    """`base` rounds at scale 1, never fewer than one."""
    return max(1, round(base * float(os.environ.get("FARTHING_SCALE", "1"))))


def figure(promise: str, line: str) -> None:
    """Report `R8 drain: 0 of 50 streams cut` at the end of the run; also appended to the file named by FARTHING_FIGURES."""
    LINES.append(f"{promise}: {line}")
    if path := os.environ.get("FARTHING_FIGURES"):
        with open(path, "a") as kept:
            kept.write(LINES[-1] + "\n")
