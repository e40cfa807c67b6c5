"""Interactive calls that could be batch: nobody waits for them, and a provider's batch is half the price."""

import re
from collections import OrderedDict
from collections.abc import Sequence

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import About, Cut, Finder, whole

PER_MINUTE = 30  # of one user: no person types that fast
WINDOW_S = 60.0
DISCOUNT = 0.5
_OPEN = 50_000
_MOST_BURSTS = 200_000
_NAMES = re.compile(r"(?i)(?:^|[^a-z])(batch|nightly|cron|backfill|offline|bulk|digest|enrich\w*|reindex\w*|index(?:er|ing)|evals?|etl)(?:$|[^a-z])")
_SELLERS = ("openai", "azure", "anthropic", "google", "gemini", "vertex", "bedrock", "mistral", "groq", "together", "fireworks")
_SELLERS_MODELS = ("gpt-", "o1", "o3", "o4", "chatgpt", "claude", "gemini", "mistral", "text-embedding")


class Batchable(Finder):
    """Calls of a user who makes more than a person can, and of endpoints named for such work; never streamed ones."""

    about = About(
        kind="batchable",
        title="Interactive calls that could be batch",
        certainty="assumed",
        how=f"Calls that are not streamed and whose user or session makes {PER_MINUTE} or more a minute, or whose endpoint is named for such work "
        f"(nightly, backfill, eval ...; not in the range's low end), at {DISCOUNT:.0%} of the price. That answers may come within a day is assumed.",
        remedy="Queue them and send them to the provider's batch API.",
        lever="batch",
    )

    def __init__(self) -> None:
        self._minutes: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        self._bursts: set[int] = set()
        self._in_bursts, self._named = 0, 0

    def learn(self, call: Facts) -> None:
        minute = _minute(call)
        if minute is None:
            return
        count = self._minutes.pop(minute, 0) + 1
        self._minutes[minute] = count
        if len(self._minutes) > _OPEN:
            self._minutes.popitem(last=False)
        if count == PER_MINUTE and len(self._bursts) < _MOST_BURSTS:
            self._bursts.add(hash(minute))

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        if call.stream or call.reused or call.failed or not _sold(call):
            return None
        minute = _minute(call)
        if minute is not None and hash(minute) in self._bursts:
            self._in_bursts += 1
            return whole(1 - DISCOUNT, 1 - DISCOUNT, 1 - DISCOUNT)
        if _NAMES.search(call.endpoint):
            self._named += 1
            return whole(0.0, 1 - DISCOUNT, 1 - DISCOUNT)
        return None

    def details(self) -> Sequence[str]:
        if not self._in_bursts + self._named:
            return ()
        return (f"{self._in_bursts:,} calls in bursts of one user, {self._named:,} by the endpoint's name.",)


def _minute(call: Facts) -> tuple[str, int, int] | None:
    if call.at is None or call.actor is None or call.stream:
        return None
    return call.endpoint, call.actor, int(call.at // WINDOW_S)


def _sold(call: Facts) -> bool:
    """Whether its provider sells batches."""
    if call.provider and call.provider.lower().startswith(_SELLERS):
        return True
    return (call.model or "").rpartition("/")[2].lower().startswith(_SELLERS_MODELS)
