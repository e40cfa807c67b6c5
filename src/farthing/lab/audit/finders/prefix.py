"""Prompts that a provider's prompt cache could serve, and does not: something that changes stands before what stays the same."""

from collections.abc import Sequence

import msgspec

from farthing.lab.audit.costs import BYTES_PER_TOKEN, Billed
from farthing.lab.audit.facts import PROMPT, Facts, Part
from farthing.lab.audit.finders.base import About, Cut, Finder
from farthing.lab.audit.usual import Usuals

WARM_S = 300.0  # how long providers keep a prefix at least
LEAST_TOKENS = 1024  # the shortest prefix that they keep
_LEAST_LOST = 256
_MOST_LANES = 5000
_AUTOMATIC = ("openai", "azure", "deepseek", "google", "gemini", "vertex", "xai", "x-ai", "groq", "moonshot", "fireworks")
_AUTOMATIC_MODELS = ("gpt-", "o1", "o3", "o4", "chatgpt", "deepseek", "gemini", "grok")


class _Lane(msgspec.Struct):
    """Calls of one endpoint on one model."""

    last_at: float | None = None
    warm: int = 0
    cold: int = 0

    def is_warm(self, call: Facts) -> bool:
        """Whether the call before was recent. Without times, log order counts as recent."""
        before, self.last_at = self.last_at, call.at
        if call.at is None:
            return True
        return before is not None and abs(call.at - before) <= WARM_S


_Lanes = dict[tuple[str, str | None], _Lane]


def _lane(lanes: _Lanes, call: Facts) -> _Lane:
    """Of a call; when there are too many models, one for all that are new."""
    key = (call.endpoint, call.model)
    return lanes.setdefault(key if key in lanes or len(lanes) < _MOST_LANES else ("", None), _Lane())


class CachePrefix(Finder):
    """Shared stretches of the prompt, less what was read from the provider's cache."""

    about = About(
        kind="cache_prefix",
        title="Prefixes that defeat the provider's prompt cache",
        certainty="estimated",
        how=f"Stretches that half of the endpoint's prompts share, {LEAST_TOKENS:,} tokens or more, sent again within {WARM_S / 60:.0f} minutes "
        "and not read from the cache; at the list's cached price, less what storing costs.",
        remedy="Put what stays the same first and what changes (dates, names, ids) last; mark the prefix where the provider wants marks.",
        lever="prompt_cache",
    )

    def __init__(self, usuals: Usuals) -> None:
        self._usuals = usuals
        self._learning: _Lanes = {}
        self._weighing: _Lanes = {}
        self._defeated, self._unmarked, self._silent = 0, 0, 0

    def learn(self, call: Facts) -> None:
        lane = _lane(self._learning, call)
        if lane.is_warm(call):
            lane.warm += 1
        else:
            lane.cold += 1

    def weigh(self, billed: Billed) -> Cut | None:
        call, costs = billed.call, billed.costs
        warm = _lane(self._weighing, call).is_warm(call)
        per = costs.per
        if per is None or per.cached >= per.read or not warm or call.reused or call.tokens_in is None:
            return None
        shared, leading = self._shared(call)
        ratio = sum(costs.tokens) / max(1, sum(call.sizes))
        lost = min(shared * ratio, sum(costs.tokens)) - self._cached(call, leading * ratio)
        if shared * ratio < LEAST_TOKENS or lost < _LEAST_LOST:
            return None
        lane = _lane(self._learning, call)
        saved = lost * (per.read - per.cached) - lost * max(0.0, per.stored - per.read) * lane.cold / max(1, lane.warm)
        usd = sum(costs.usd[where] for where in PROMPT)
        if saved <= 0 or usd <= 0:
            return None
        self._note(call, leading * ratio)
        share = min(1.0, saved / usd)
        return Cut(PROMPT, share if call.cached is not None else 0.0, share, share)

    def _shared(self, call: Facts) -> tuple[int, int]:
        """Bytes that the endpoint's prompts have in common, and how many of them stand before the first that differs."""
        stable = self._usuals.of(call).stable
        shared, leading, unbroken = 0, 0, True
        for piece in call.pieces:
            if piece.part in (Part.SYSTEM, Part.HISTORY) and piece.hash in stable:
                shared += piece.size
                leading += piece.size if unbroken else 0
            else:
                unbroken = False
        return shared, leading

    def _cached(self, call: Facts, leading: float) -> float:
        """Tokens read from the cache: as the log says, else as the provider does by itself."""
        if call.cached is not None:
            return float(call.cached)
        by_itself = (call.provider or "").lower().startswith(_AUTOMATIC) or (call.model or "").rpartition("/")[2].lower().startswith(
            _AUTOMATIC_MODELS
        )
        return leading if by_itself and leading >= LEAST_TOKENS else 0.0

    def _note(self, call: Facts, leading: float) -> None:
        if leading < LEAST_TOKENS:
            self._defeated += 1
        else:
            self._unmarked += 1
        self._silent += call.cached is None

    def excerpt(self, call: Facts) -> str:
        stable = self._usuals.of(call).stable
        before = 0
        for piece in call.pieces:
            if piece.hash not in stable:
                break
            before += piece.size
        return f"first difference after about {int(before / BYTES_PER_TOKEN):,} tokens: {call.gist}"

    def details(self) -> Sequence[str]:
        lines: list[str] = []
        if self._defeated:
            lines.append(f"{self._defeated:,} calls change before the shared stretch is {LEAST_TOKENS:,} tokens long.")
        if self._unmarked:
            lines.append(f"{self._unmarked:,} calls begin alike and still pay the full price: no cache marks, or the provider had let go of it.")
        if self._silent:
            lines.append(f"{self._silent:,} calls do not say what was cached; providers that cache by themselves are taken to have done so.")
        return lines
