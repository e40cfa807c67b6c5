"""Calls whose answer is one of few labels: a classifier would do.

Whether it would is tried: the label of a question is predicted from its nearest neighbours in the log, by the audit's own vectors and without
any training. That share is what a classifier does at least; endpoints where it fails (multiple choice, judgements) are not counted.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import About, Cut, Finder, share_of, whole
from farthing.lab.audit.vectors import unit_rows

FEWEST_CALLS = 50
MOST_LABELS = 20
COVERED = 0.97  # of the answers
LEAST_RIGHT = 0.7
SAMPLED = 1500
NEIGHBOURS = 5
_REMEMBERED = 300


class _Labels(msgspec.Struct):
    """Of one endpoint."""

    answers: int = 0
    counts: dict[str, int] = {}
    examples: list[tuple[bytes, str]] = []


class FewLabels(Finder):
    """Endpoints that answer with a label which is predictable from the question."""

    about = About(
        kind="few_labels",
        title="Model calls that a classifier would do",
        certainty="estimated",
        how=f"Endpoints whose answers are {COVERED:.0%} one of {MOST_LABELS} labels or fewer. Counted is the share of labels that the "
        f"{NEIGHBOURS} nearest questions of the log predict right, without training; the rest would still go to the model.",
        remedy="Train a small classifier on the log; send what it is unsure of to the model.",
        lever="calls",
    )

    def __init__(self) -> None:
        self._by_endpoint: dict[str, _Labels] = {}
        self._rates: dict[str, tuple[float, float, float]] = {}
        self._lines: list[str] = []

    def learn(self, call: Facts) -> None:
        if call.answer_vector is None and call.label is None:
            return
        found = self._by_endpoint.setdefault(call.endpoint, _Labels())
        found.answers += 1
        if call.label is None or (call.label not in found.counts and len(found.counts) >= _REMEMBERED):
            return
        found.counts[call.label] = found.counts.get(call.label, 0) + 1
        if call.vector is not None and len(found.examples) < SAMPLED:
            found.examples.append((call.vector, call.label))

    def ready(self) -> None:
        for endpoint, found in self._by_endpoint.items():
            top = Counter(found.counts).most_common(MOST_LABELS)
            if found.answers < FEWEST_CALLS or sum(count for _, count in top) < COVERED * found.answers or len(top) < 2:
                continue
            right, tried = _predicted(found.examples)
            low, share, high = share_of(right, tried)
            shown = ", ".join(label for label, _ in top[:6]) + (", ..." if len(top) > 6 else "")
            outcome = f"{share:.0%} predicted by nearest neighbours" if tried else "too few to try"
            self._lines.append(f"{endpoint}: {len(top)} labels ({shown}), {outcome}")
            if share >= LEAST_RIGHT:
                self._rates[endpoint] = (low, share, high)

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        rates = self._rates.get(call.endpoint)
        return whole(*rates) if rates and call.label is not None and not call.reused else None

    def excerpt(self, call: Facts) -> str:
        return f"{call.gist} -> {call.label}"

    def details(self) -> Sequence[str]:
        return self._lines[:8]


def _predicted(examples: Sequence[tuple[bytes, str]]) -> tuple[int, int]:
    """How many labels their nearest neighbours give, of how many tried. Copies of the question itself are no neighbours."""
    fresh = list(dict(examples).items())
    if len(fresh) < FEWEST_CALLS // 2:
        return 0, 0
    rows = unit_rows([vector for vector, _ in fresh])
    similar = rows @ rows.T
    np.fill_diagonal(similar, -1.0)
    nearest = np.argsort(-similar, axis=1)[:, :NEIGHBOURS]
    right = 0
    for at, (_, label) in enumerate(fresh):
        votes = Counter(fresh[int(place)][1] for place in nearest[at])
        right += votes.most_common(1)[0][0] == label
    return right, len(fresh)
