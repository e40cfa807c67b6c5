"""Waste in answers: longer than the endpoint's own, or without a limit."""

from collections.abc import Sequence

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts, Part
from farthing.lab.audit.finders.base import About, Cut, Finder, part
from farthing.lab.audit.usual import Usual, Usuals

LONG = 2.0  # times the endpoint's median
_LONG_RANGE = (3.0, 1.5)
_LEAST_TOKENS = 32  # a median below says nothing about length
LIMIT_FACTOR = 1.25
_ROUND_TO = 64


def limit_for(usual: Usual) -> int | None:
    """An output limit that the endpoint's answers keep, 99 in 100 of them with room to spare."""
    if usual.p99_output is None:
        return None
    return max(_ROUND_TO, -(-int(usual.p99_output * LIMIT_FACTOR) // _ROUND_TO) * _ROUND_TO)


class LongAnswers(Finder):
    """What goes beyond twice the median of the endpoint."""

    about = About(
        kind="long_answers",
        title="Over-long answers",
        certainty="estimated",
        how="Output beyond twice the endpoint's own median (range: beyond three times, one and a half). Reasoning and tool calls left out.",
        remedy="Ask for the length that is wanted, and set an output limit.",
        lever="output",
    )

    def __init__(self, usuals: Usuals) -> None:
        self._usuals = usuals

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        median = self._usuals.of(call).median_output
        if median is None or median < _LEAST_TOKENS or not call.tokens_out or call.tools:
            return None
        said = call.tokens_out - call.reasoning
        if said <= LONG * median:
            return None
        low, high = (max(0.0, said - times * median) / call.tokens_out for times in _LONG_RANGE)
        return part(Part.OUTPUT, low, (said - LONG * median) / call.tokens_out, high)

    def excerpt(self, call: Facts) -> str:
        return f"{call.tokens_out:,} tokens, median {self._usuals.of(call).median_output:,}: {call.gist}"


class NoLimit(Finder):
    """Calls that set no output limit, and what ran beyond one that the endpoint's other answers keep."""

    about = About(
        kind="no_output_limit",
        title="Missing output limits",
        certainty="counted",
        how=f"Output beyond {LIMIT_FACTOR} times the endpoint's 99th percentile, of calls without a limit. Runaways yet to come are not in it.",
        remedy="Set max_output_tokens for the endpoint.",
        lever="output",
    )

    def __init__(self, usuals: Usuals) -> None:
        self._usuals = usuals
        self._unlimited, self._known = 0, 0

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        self._known += call.limit is not None
        if call.limit != 0:
            return None
        self._unlimited += 1
        limit = limit_for(self._usuals.of(call))
        if limit is None or not call.tokens_out or call.tokens_out <= limit:
            return None
        share = (call.tokens_out - limit) / call.tokens_out
        return part(Part.OUTPUT, share, share, share)

    def excerpt(self, call: Facts) -> str:
        return f"{call.tokens_out:,} tokens without a limit: {call.gist}"

    def details(self) -> Sequence[str]:
        if not self._known:
            return ("The log does not hold requests, so limits are unknown.",)
        return (f"{self._unlimited:,} of {self._known:,} calls set no output limit.",) if self._unlimited else ()
