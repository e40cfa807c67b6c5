"""Which sentences are worth their tokens: across passages first, inside a passage last.

The best sentences of all candidates are taken in the order of their scores until the budget is full; one that says again what was taken is
passed over.
"""

from collections.abc import Mapping, Sequence

import msgspec

from farthing.brain.retrieve.base import Passage

_SAME = 0.8  # share of a sentence's terms that a taken one has too
_GAP = " ... "


class Line(msgspec.Struct, frozen=True, gc=False):
    """One sentence of a candidate, with what sending it costs."""

    passage: int  # place among the candidates
    place: int  # ordinal within the passage
    tokens: int
    score: float
    terms: frozenset[int]


def choose(lines: Sequence[Line], framing: Mapping[int, int], budget_tokens: int) -> dict[int, list[int]]:
    """Places of the sentences to send, by candidate. `framing[i]` is what naming candidate i costs, once."""
    taken: dict[int, list[int]] = {}
    terms: list[frozenset[int]] = []
    left = budget_tokens
    for line in sorted(lines, key=lambda line: (-line.score, line.passage, line.place)):
        cost = line.tokens + (0 if line.passage in taken else framing[line.passage])
        if cost > left or (line.terms and any(len(line.terms & held) >= _SAME * len(line.terms) for held in terms)):
            continue
        left -= cost
        taken.setdefault(line.passage, []).append(line.place)
        if line.terms:
            terms.append(line.terms)
    return {passage: sorted(places) for passage, places in taken.items()}


def excerpt_text(passage: Passage, places: Sequence[int]) -> str:
    """The chosen sentences as they stand in the passage; an ellipsis where some were left out."""
    parts: list[str] = []
    last = -1
    for place in places:
        start, end = passage.spans[place]
        if parts:
            parts.append(passage.text[passage.spans[last][1] : start] if place == last + 1 else _GAP)
        parts.append(passage.text[start:end])
        last = place
    return "".join(parts)
