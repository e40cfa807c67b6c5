"""Easy traffic on dear models: what the shipped routing rules would send to a cheaper model of the same maker."""

from collections.abc import Sequence

from farthing.core.usage import Rate
from farthing.lab.audit.costs import UNSPLIT, Billed, Costing, PerToken
from farthing.lab.audit.facts import PROMPT, Facts, Part
from farthing.lab.audit.finders.base import About, Cut, Finder

# The first row whose beginning fits; the model that a maker sells for easy work.
SIBLINGS: tuple[tuple[str, str, str], ...] = (
    ("gpt-6", "openai", "gpt-6-luna"),
    ("gpt-5", "openai", "gpt-5-mini"),
    ("gpt-4.1", "openai", "gpt-4.1-mini"),
    ("gpt-4o", "openai", "gpt-4o-mini"),
    ("gpt-4", "openai", "gpt-4o-mini"),
    ("o1", "openai", "o4-mini"),
    ("o3", "openai", "o4-mini"),
    ("chatgpt", "openai", "gpt-4o-mini"),
    ("claude-sonnet-5", "anthropic", "claude-haiku-5-5"),
    ("claude-opus-5", "anthropic", "claude-haiku-5-5"),
    ("claude", "anthropic", "claude-haiku-4-5"),
    ("gemini-3", "google", "gemini-3.5-flash-lite"),
    ("gemini", "google", "gemini-2.5-flash"),
    ("grok", "xai", "grok-4-1-fast-non-reasoning"),
    ("mistral-large", "mistral", "mistral-small-latest"),
    ("mistral-medium", "mistral", "mistral-small-latest"),
)
MOST_RATIO = 0.6  # of the dear model's price; above, a change is not worth its risk
LABELLING = "labelling"


class EasyOnDear(Finder):
    """Calls that the rules call easy, at the difference between two prices."""

    about = About(
        kind="easy_on_dear",
        title="Easy traffic on dear models",
        certainty="assumed",
        how="Calls of up to 2,000 characters that the shipped routing rules send to the cheap tier and whose task and wording are plain (range: "
        "labelling only, all that the rules send), at the price of the maker's small model. Whether its answers are as good, the log does not say.",
        remedy="Route by rule; keep it in check with the quality guard, or try it first with farthing replay.",
        lever="route",
    )

    def __init__(self, costing: Costing) -> None:
        self._costing = costing
        self._found: dict[tuple[str | None, str], tuple[str, Rate] | None] = {}
        self.swaps: dict[tuple[str, str], int] = {}  # dear and cheap model -> calls

    def weigh(self, billed: Billed) -> Cut | None:
        call, costs = billed.call, billed.costs
        if call.easy is None or call.reused or costs.per is None or call.model is None:
            return None
        sibling = self.sibling(call.provider, call.model)
        if sibling is None:
            return None
        name, rate = sibling
        share = 1 - self._at(rate, call, costs.per, costs.usd)
        if share <= 0:
            return None
        if call.plain or call.easy == LABELLING:
            self.swaps[call.model, name] = self.swaps.get((call.model, name), 0) + 1
        lumps = (*PROMPT, Part.OUTPUT, UNSPLIT)
        return Cut(lumps, share if call.easy == LABELLING else 0.0, share if call.plain or call.easy == LABELLING else 0.0, share)

    def sibling(self, provider: str | None, model: str) -> tuple[str, Rate] | None:
        """The cheaper model of the same maker and its price, if it is cheap enough."""
        key = (provider, model)
        if key not in self._found:
            self._found[key] = self._look_up(provider, model)
        return self._found[key]

    def _look_up(self, provider: str | None, model: str) -> tuple[str, Rate] | None:
        bare = model.rpartition("/")[2].lower()
        row = next((row for row in SIBLINGS if bare.startswith(row[0])), None)
        own = self._costing.rate(provider, model)
        if row is None or own is None or not own.input_usd_per_mtok or not own.output_usd_per_mtok or bare.startswith(row[2]):
            return None
        rate = self._costing.rate(row[1], row[2])
        if rate is None or max(rate.output_usd_per_mtok / own.output_usd_per_mtok, rate.input_usd_per_mtok / own.input_usd_per_mtok) > MOST_RATIO:
            return None
        return row[2], rate

    def _at(self, rate: Rate, call: Facts, per: PerToken, usd: tuple[float, ...]) -> float:
        """The cost on the cheaper model, as a share of the cost it had. Cached tokens lose their discount with the model that holds them."""
        own = self._costing.rate(call.provider, call.model)
        scale = per.written / (float(own.output_usd_per_mtok) / 1e6) if own and own.output_usd_per_mtok else 1.0
        cheap = (call.tokens_in or 0) * float(rate.input_usd_per_mtok) + (call.tokens_out or 0) * float(rate.output_usd_per_mtok)
        total = sum(usd)
        return cheap / 1e6 * scale / total if total > 0 else 1.0

    def excerpt(self, call: Facts) -> str:
        return f"[{call.model}] {call.gist}"

    def details(self) -> Sequence[str]:
        ranked = sorted(self.swaps.items(), key=lambda item: -item[1])[:5]
        return [f"{count:,} calls: {dear} to {cheap}" for (dear, cheap), count in ranked]
