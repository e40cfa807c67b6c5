"""Does a text go round in circles? Only exact, unbroken repetition counts, and a lot of it.

A false alarm cuts a good answer, a miss costs a few tokens more, so everything that repeats for a reason is given more room: code, tables, rows of
numbers and signs; what the user wrote is never taken for a loop ("write it a hundred times").
"""

import re

MOST_BYTES = 16_384  # of the end of the text that are looked at
_NEEDLE = 64
_SHORT_UNIT, _LONG_UNIT = 20, 200
_SHORT_RUN_BYTES = 4_000
_TIMES, _LONG_TIMES = 24, 8
_LEAST_RUN_BYTES = 2_000
_MORE_ROOM = 3
_WORDLESS = re.compile(rb"(?:\\u[0-9a-fA-F]{4}|\\[^u]|[^A-Za-z\\\x80-\xff])*+")


def loop_unit(text: bytes, *, in_code: bool) -> tuple[bytes, int] | None:
    """What the end of the text repeats, and how many times at least; `None` when it does not, or has cause to. JSON escapes may stay in it."""
    if len(text) < _LEAST_RUN_BYTES:
        return None
    period = _period(text)
    if period is None:
        return None
    unit = text[-period:]
    times = _LONG_TIMES if period >= _LONG_UNIT else _TIMES
    least = max(_LEAST_RUN_BYTES, period * times, _SHORT_RUN_BYTES if period < _SHORT_UNIT else 0)
    if in_code or b"|" in unit or b"\\t" in unit or _WORDLESS.fullmatch(unit):
        least *= _MORE_ROOM
    if len(text) < least or text[-least:-period] != text[-least + period :]:
        return None
    return unit, least // period


def _period(text: bytes) -> int | None:
    """The distance at which the last bytes stood before."""
    before = text.rfind(text[-_NEEDLE:], 0, len(text) - 1)
    return None if before < 0 else len(text) - _NEEDLE - before
