"""Start a program that ends when we do: `python -m farthing.models.local.launch PROGRAM ARGUMENT...`.

A supervisor that is killed (kill -9, out of memory) cannot stop its engines; the kernel does, because this asks it to before it becomes the program.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program; status 127 when it cannot be started."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we asked
            raise SystemExit(1)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as fault:
        print(f"{sys.argv[1]}: {fault.strerror}", file=sys.stderr)
        raise SystemExit(127) from None


if __name__ == "__main__":
    main()
