"""Waste in what every prompt of an endpoint holds: boilerplate, length, examples."""

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts, Part
from farthing.lab.audit.finders.base import About, Cut, Finder, part
from farthing.lab.audit.usual import Usuals

LONG_SYSTEM_TOKENS = 1000
KEPT_SHOTS = 2
_LEAST_FILLER = 24  # bytes


class Boilerplate(Finder):
    """Phrases without a meaning for the model, and sentences that stand twice in one system prompt."""

    about = About(
        kind="boilerplate",
        title="Boilerplate in system prompts",
        certainty="counted",
        how="Sentences repeated within the prompt, and listed phrases that say nothing to a model (politeness, rulers, fillers).",
        remedy="Delete them: farthing diet PROMPT --explain lists each. Paragraphs that stand twice are dropped by prompt diet on the way.",
        lever="diet",
    )

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        if call.filler < _LEAST_FILLER:
            return None
        share = call.filler / call.sizes[Part.SYSTEM]
        return part(Part.SYSTEM, share, share, share)

    def excerpt(self, call: Facts) -> str:
        return f"{call.filler:,} bytes, such as: {call.shown[3]}"


class LongSystem(Finder):
    """System prompts above a length at which much of it rarely matters."""

    about = About(
        kind="long_system",
        title="Over-long system prompts",
        certainty="assumed",
        how=f"Tokens above {LONG_SYSTEM_TOKENS:,} of the system prompt; the figure takes half of them, the range none to all. Only editing decides.",
        remedy="Move rules to the calls that need them; put the rest first, so that the provider's prompt cache pays for it.",
        lever=None,
    )

    def weigh(self, billed: Billed) -> Cut | None:
        costs = billed.costs
        tokens = costs.tokens[Part.SYSTEM]
        if tokens <= LONG_SYSTEM_TOKENS:
            return None
        share = (tokens - LONG_SYSTEM_TOKENS) / tokens
        return part(Part.SYSTEM, 0.0, share / 2, share)


class FewShot(Finder):
    """Examples that travel with every call: written into the prompt, or sent as made-up turns."""

    about = About(
        kind="few_shot",
        title="Repeated few-shot blocks",
        certainty="assumed",
        how=f"Examples beyond {KEPT_SHOTS}, told by marks, or by turns that half of the endpoint's calls open with; range: none to all.",
        remedy="Keep the examples that change answers, and try how many that are; put them first, so that the provider's prompt cache pays for them.",
        lever=None,
    )

    def __init__(self, usuals: Usuals) -> None:
        self._usuals = usuals

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        if call.shots > KEPT_SHOTS and call.sizes[Part.SHOTS]:
            return part(Part.SHOTS, 0.0, 1 - KEPT_SHOTS / call.shots, 1.0)
        return self._turns(call) if call.sizes[Part.HISTORY] else None

    def _turns(self, call: Facts) -> Cut | None:
        """Pairs of turns at the head of the history that the endpoint's other calls have as well."""
        stable = self._usuals.of(call).stable
        made_up: list[int] = []
        for piece in call.pieces:
            if piece.part == Part.HISTORY:
                if piece.hash not in stable:
                    break
                made_up.append(piece.size)
        pairs = len(made_up) // 2
        if pairs <= KEPT_SHOTS:
            return None
        size = sum(made_up[: pairs * 2]) / call.sizes[Part.HISTORY]
        return part(Part.HISTORY, 0.0, size * (1 - KEPT_SHOTS / pairs), size)

    def excerpt(self, call: Facts) -> str:
        return f"{call.shots} examples before: {call.gist}" if call.shots else f"made-up turns before: {call.gist}"
