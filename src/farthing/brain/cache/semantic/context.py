"""What a namespace knows about a question: its nearest keys, the answers they lead to, and the record of those answers.

The verifier reads two questions; this reads the neighbourhood. That another answer's key lies as near as this one's says more about a wrong
hit than any cosine: on the streams of bench/cache.py the margin alone tells right from wrong better than the cosine does.
"""

import math
from collections.abc import Callable, Sequence

import msgspec

from farthing.brain.cache.semantic.verifier import Compared

NEIGHBOURS = 24
_MOST_COMPARED = 3  # keys of one answer that the verifier reads
_SHARPNESS = 20.0
FEATURES = (
    "cosine",
    "margin",
    "share of votes",
    "top 5",
    "top 10",
    "keys",
    "confirmed",
    "refuted",
    "refuted share",
    "verifier",
    "verifier margin",
    "vetoed",
    "strict differences",
    "replaced",
    "same words",
    "near and same words",
    "alone",
    "one",
)
VETOED = FEATURES.index("vetoed")

Compare = Callable[[int, float], Compared]  # the asked question against a key, by the key's number


class Record(msgspec.Struct):
    """An answer's history in its namespace."""

    keys: int = 0
    confirmed: int = 0
    refuted: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """The answer that would be served, and how it looks from here."""

    group: int
    key: int
    cosine: float
    compared: Compared
    row: tuple[float, ...]  # in the order of FEATURES
    others: tuple[int, ...]  # groups worth asking the judge about, most likely first; this one leads


def survey(keys: Sequence[int], cosines: Sequence[float], groups: Sequence[int], records: dict[int, Record], compare: Compare) -> Candidate | None:
    """Candidate and features from the nearest keys, nearest first; `None` when there are none."""
    if not keys:
        return None
    best: dict[int, int] = {}  # group -> place of its nearest key
    votes: dict[int, float] = {}
    top = cosines[0]
    for place, group in enumerate(groups):
        best.setdefault(group, place)
        votes[group] = votes.get(group, 0.0) + math.exp((cosines[place] - top) * _SHARPNESS)
    total = sum(votes.values())
    ranked = sorted(best, key=lambda group: -(cosines[best[group]] + 0.6 * votes[group] / total))
    group = ranked[0]
    places = [place for place, owner in enumerate(groups) if owner == group][:_MOST_COMPARED]
    found = [(place, compare(keys[place], cosines[place])) for place in places]
    place, compared = max(found, key=lambda pair: (pair[1].veto is None, pair[1].logit))
    rival = next((other for other in ranked[1:]), None)
    row = _row(cosines, groups, group, best, votes[group] / total, records[group], compared)
    if rival is not None:
        near = best[rival]
        row[FEATURES.index("verifier margin")] = _squash(compared.logit) - _squash(compare(keys[near], cosines[near]).logit)
    return Candidate(group, keys[place], cosines[best[group]], compared, tuple(row), tuple(ranked))


def _squash(logit: float) -> float:
    return max(-6.0, min(6.0, logit))


def _row(
    cosines: Sequence[float],
    groups: Sequence[int],
    group: int,
    best: dict[int, int],
    share: float,
    record: Record,
    compared: Compared,
) -> list[float]:
    cosine = cosines[best[group]]
    rival = max((cosines[place] for other, place in best.items() if other != group), default=0.0)
    five, ten = groups[:5], groups[:10]
    return [
        cosine,
        cosine - rival,
        share,
        sum(owner == group for owner in five) / len(five),
        sum(owner == group for owner in ten) / len(ten),
        math.log1p(record.keys),
        math.log1p(record.confirmed),
        math.log1p(record.refuted),
        record.refuted / (1 + record.refuted + record.confirmed),
        _squash(compared.logit),
        6.0 + _squash(compared.logit),  # against nothing; replaced where there is a rival
        float(compared.veto is not None),
        float(compared.strict),
        float(compared.replaced),
        float(compared.same_words),
        float(compared.same_words and cosine > 0.9),
        float(len(best) == 1),
        1.0,
    ]
