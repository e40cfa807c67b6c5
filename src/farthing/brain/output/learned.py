"""An output limit from the answers that an endpoint gave: the length that 99 of 100 stayed within, and a margin on top.

An answer that the limit ended is learned as long as the limit, so that a limit which bites more than one answer in a hundred rises by its margin.
"""

from math import ceil

import msgspec

ENOUGH = 200  # answers; fewer have no 99th percentile
_LEAST_TOKENS = 64
_WITHIN = 0.99


class Learned(msgspec.Struct, frozen=True, gc=False):
    """A limit in tokens, and what it rests on."""

    limit: int
    within: int  # 99 % of the answers ended by then
    answers: int


def learned_limit(lengths: list[int], margin: float) -> Learned | None:
    """`None` when too few answers were seen. `lengths` in order of size."""
    count = len(lengths)
    if count < ENOUGH:
        return None
    within = lengths[ceil(count * _WITHIN) - 1]
    return Learned(max(_LEAST_TOKENS, ceil(within * (1 + margin))), within, count)
