"""Waste in what a prompt brings along: text sent twice, documents that the answer does not draw on, turns that nobody takes up again."""

from collections.abc import Sequence

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts, Part, Range
from farthing.lab.audit.finders.base import About, Cut, Finder, part

_PARTS = (Part.DOCUMENTS, Part.HISTORY, Part.USER)
_LEAST_REPEATED = 120  # bytes


class RepeatedContext(Finder):
    """Sentences that the same prompt holds already."""

    about = About(
        kind="repeated_context",
        title="Duplicate context chunks",
        certainty="counted",
        how="Sentences of 40 bytes or more that stand earlier in the same prompt, word for word.",
        remedy="Prompt diet drops repeated paragraphs; chunks that overlap are the retriever's to leave out.",
        lever="diet",
    )

    def weigh(self, billed: Billed) -> Cut | None:
        call, costs = billed.call, billed.costs
        if sum(call.repeated) < _LEAST_REPEATED:
            return None
        usd = sum(costs.usd[where] for where in _PARTS)
        if usd <= 0:
            return None
        gone = sum(costs.usd[where] * again / call.sizes[where] for where, again in zip(_PARTS, call.repeated, strict=True) if again)
        return Cut(_PARTS, gone / usd, gone / usd, gone / usd)

    def excerpt(self, call: Facts) -> str:
        return call.shown[0]


class UnusedDocuments(Finder):
    """Passages whose words are not in the answer."""

    about = About(
        kind="unused_documents",
        title="Documents sent and not used",
        certainty="estimated",
        how="A passage counts as unused when it shares next to none of the answer's own words, and much fewer than the best passage does. Lexical.",
        remedy="Retrieve fewer, better passages.",
        lever="retrieve",
    )

    def __init__(self) -> None:
        self._with, self._judged = 0, 0

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        size = call.sizes[Part.DOCUMENTS]
        self._with += size > 0
        self._judged += call.judged
        return _of(call.unused, Part.DOCUMENTS, size) if call.unused.point else None

    def excerpt(self, call: Facts) -> str:
        return call.shown[1]

    def details(self) -> Sequence[str]:
        left = self._with - self._judged
        return (f"{left:,} of {self._with:,} calls with documents could not be judged: no answer text, or too short a one.",) if left else ()


class UnreferredHistory(Finder):
    """Earlier turns that neither the question nor the answer takes up."""

    about = About(
        kind="unreferred_history",
        title="History never referred to",
        certainty="estimated",
        how="Turns before the last exchange whose words appear neither in the question nor in the answer. Lexical; agents at work are left out.",
        remedy="Send the last turns and a summary of the rest.",
        lever=None,
    )

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        return _of(call.unreferred, Part.HISTORY, call.sizes[Part.HISTORY]) if call.unreferred.point else None

    def excerpt(self, call: Facts) -> str:
        return call.shown[2]


def _of(found: Range, where: Part, size: int) -> Cut | None:
    return part(where, found.low / size, found.point / size, found.high / size)
