"""Identifiers that sort by time, so that an index over them only ever grows at its end."""

import random
import time

_RANDOM_BITS = 64


def new_id(prefix: str, now: float | None = None) -> str:
    """`prefix_` and 28 hexadecimal digits: 48 bits of milliseconds, 64 random bits.

    Not a secret: `random` is seeded from the system, again after a fork, and does not give up the interpreter lock as
    `os.urandom` does (36 us a call beside a busy writer thread, against 0.4).
    """
    millis = int((time.time() if now is None else now) * 1000)
    return f"{prefix}_{millis:012x}{random.getrandbits(_RANDOM_BITS):016x}"
