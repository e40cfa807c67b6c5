"""Quality beside the savings: what was said of the answers, by group, by the lever that made them what they are, and by who said it."""

from collections.abc import Mapping, Sequence

import numpy as np

from farthing.lab.report.figures import Quality
from farthing.lab.report.window import Kind, Verdict
from farthing.lab.statistics import Estimate, ratio, sums_by, wilson

HITS = ("exact", "normalised", "semantic", "coalesced")


def lever_of(verdict: Verdict, kind: Kind) -> str | None:
    """The lever that a verdict is about: the one it was charged to, else the one that the row shows."""
    if verdict.lever is not None:
        return verdict.lever
    return "cache" if kind.cache in HITS else "route" if kind.tier == "cheap" else None


def quality_lines(verdicts: Sequence[Verdict], kinds: Sequence[Kind], by: tuple[str, ...]) -> tuple[Quality, ...]:
    """One line per group and lever, the whole window first; most verdicts first within each."""
    found: dict[tuple[tuple[str | None, ...], str | None, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.score is None:
            continue
        kind = kinds[verdict.kind]
        lever = lever_of(verdict, kind)
        for key in {(), kind.by}:
            found.setdefault((key, lever, verdict.source), []).append(verdict)
    lines = [_line(dict(zip(by, key, strict=False)), lever, source, listed) for (key, lever, source), listed in found.items()]
    return tuple(sorted(lines, key=lambda line: (len(line.of) > 0, -line.verdicts, str(line.of), line.lever or "", line.source)))


def _line(of: Mapping[str, str | None], lever: str | None, source: str, verdicts: Sequence[Verdict]) -> Quality:
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    compared = [verdict for verdict in verdicts if verdict.reference_score is not None]
    score = ratio(*sums_by([verdict.run for verdict in verdicts], scores, np.ones(len(scores))))
    low, high = _bounds(score, scores)
    against = None
    if compared:
        mine, theirs = ([verdict.score or 0.0 for verdict in compared], [verdict.reference_score or 0.0 for verdict in compared])
        against = ratio(*sums_by([verdict.run for verdict in compared], mine, theirs))
    return Quality(
        of=of,
        lever=lever,
        source=source,
        verdicts=len(scores),
        score=score.value if score else None,
        score_low=low,
        score_high=high,
        compared=len(compared),
        ratio=against.value if against else None,
        ratio_low=against.low if against else None,
        ratio_high=against.high if against else None,
    )


def _bounds(score: Estimate | None, scores: Sequence[float]) -> tuple[float | None, float | None]:
    """Drawn over runs; from too few runs or without variation, where drawing says nothing, Wilson's."""
    if score is not None and score.low is not None and score.high is not None and score.low < score.high:
        return max(0.0, score.low), min(1.0, score.high)
    return wilson(sum(scores), len(scores)) or (None, None)
