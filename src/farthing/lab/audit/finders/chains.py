"""Chains of calls that could be one: the same input asked about twice, and plans that always come out the same."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts, Part
from farthing.lab.audit.finders.base import About, Cut, Finder, whole

OPEN_RUNS = 20_000  # runs that may be under way at once
LEAST_INPUT = 400  # bytes of an input that is worth sending once
FEWEST_RUNS = 20
FIXED_SHARE = 0.95
_MOST_STEPS = 8
_MOST_INPUTS = 64  # of one run
_INPUTS = (Part.DOCUMENTS, Part.USER)
_T = TypeVar("_T")


class Runs(Generic[_T]):
    """Something by run; the run that was quiet longest goes first."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, _T] = OrderedDict()

    def get(self, run: int, fresh: _T) -> tuple[_T, _T | None]:
        """What is kept of a run, and what was kept of one that had to go."""
        found = self._open.pop(run, fresh)
        self._open[run] = found
        gone = self._open.popitem(last=False)[1] if len(self._open) > OPEN_RUNS else None
        return found, gone

    def left(self) -> list[_T]:
        return list(self._open.values())


class SameInput(Finder):
    """A large input that an earlier call of the same run had already, under another system prompt."""

    about = About(
        kind="same_input",
        title="The same input sent in several calls of a run",
        certainty="counted",
        how=f"Documents and questions of {LEAST_INPUT} bytes or more that an earlier call of the run had under another system prompt.",
        remedy="Ask for both answers in one call, with a schema.",
        lever="calls",
    )

    def __init__(self) -> None:
        self._runs = Runs[dict[int, int]]()

    def weigh(self, billed: Billed) -> Cut | None:
        call, costs = billed.call, billed.costs
        if call.run is None or call.reused or call.failed:
            return None
        seen, _ = self._runs.get(call.run, {})
        again = [0, 0]
        for piece in call.pieces if len(seen) < _MOST_INPUTS else ():
            if piece.part in _INPUTS and piece.size >= LEAST_INPUT and seen.setdefault(piece.hash, call.system) != call.system:
                again[_INPUTS.index(Part(piece.part))] += piece.size
        usd = sum(costs.usd[where] for where in _INPUTS)
        if not sum(again) or usd <= 0:
            return None
        share = sum(costs.usd[where] * size / max(1, call.sizes[where]) for where, size in zip(_INPUTS, again, strict=True)) / usd
        return Cut(_INPUTS, min(1.0, share), min(1.0, share), min(1.0, share))


class FixedPlan(Finder):
    """The call that only says which tool to use, where it is always the same tool."""

    about = About(
        kind="fixed_plan",
        title="Plans that are always the same",
        certainty="assumed",
        how=f"Calls that open a run by calling a tool, where {FIXED_SHARE:.0%} of the endpoint's runs ({FEWEST_RUNS} or more) take the same steps. "
        "The whole call counts, the range from half of it: arguments that only a model can work out still need one.",
        remedy="Write the sequence down as a flow: the tool first, then one call with its result.",
        lever="calls",
    )

    def __init__(self) -> None:
        self._learning = Runs[list[tuple[str, tuple[str, ...]]]]()
        self._sequences: dict[str, Counter[tuple[tuple[str, ...], ...]]] = {}
        self._fixed: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._weighing = Runs[list[int]]()
        self._lines: list[str] = []

    def learn(self, call: Facts) -> None:
        if call.run is None:
            return
        steps, gone = self._learning.get(call.run, [])
        if len(steps) < _MOST_STEPS:
            steps.append((call.endpoint, call.tools))
        if gone is not None:
            self._close(gone)

    def _close(self, steps: list[tuple[str, tuple[str, ...]]]) -> None:
        if steps:
            counts = self._sequences.setdefault(steps[0][0], Counter())
            sequence = tuple(tools for _, tools in steps)
            if sequence in counts or len(counts) < 500:
                counts[sequence] += 1

    def ready(self) -> None:
        for steps in self._learning.left():
            self._close(steps)
        for endpoint, counts in self._sequences.items():
            runs = counts.total()
            sequence, most = counts.most_common(1)[0]
            if runs >= FEWEST_RUNS and most >= FIXED_SHARE * runs and len(sequence) > 1 and sequence[0]:
                self._fixed[endpoint] = sequence
                steps = " -> ".join("+".join(tools) if tools else "answer" for tools in sequence)
                self._lines.append(f"{endpoint}: {most:,} of {runs:,} runs go {steps}")

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        if call.run is None:
            return None
        steps, _ = self._weighing.get(call.run, [0])
        at = steps[0]
        steps[0] += 1
        sequence = self._fixed.get(call.endpoint)
        if sequence is None or at >= len(sequence) - 1 or not call.tools or call.tools != sequence[at]:
            return None
        return whole(0.5, 1.0, 1.0)

    def excerpt(self, call: Facts) -> str:
        return f"calls {', '.join(call.tools)}: {call.gist}"

    def details(self) -> Sequence[str]:
        return self._lines[:5]
