"""Identifiers that sort by time, so that an index over them only ever grows at its end."""

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80


def _base32(value: int, length: int) -> str:
    chars = []
    for _ in range(length):
        chars.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(chars))


def new_id(prefix: str, now: float | None = None) -> str:
    """`prefix_` and 26 characters: 48 bits of milliseconds, 80 random bits (the ULID layout)."""
    millis = int((time.time() if now is None else now) * 1000)
    random = int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
    return f"{prefix}_{_base32((millis << _RANDOM_BITS) | random, 26)}"
