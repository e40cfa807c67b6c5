"""What was sent lately: which prefixes a provider has probably kept, and how often an endpoint's prefixes come again.

Digests only, of one worker, bounded; the oldest go first. "Probably": a provider may drop what it kept at any time, never sooner than it says.
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from farthing.brain.prefix.sums import Reads
from farthing.wire.links import Chain, Link

_MOST_LINKS = 10_000  # about 350 bytes each
_MOST_ENDPOINTS = 1_000
_FORGET_AT = 400  # requests; beyond it old habits count half
_BUSY_PER_MINUTE = 15.0  # what one cache key is good for, by OpenAI's word
_MINUTE_S = 60.0


class Seen(msgspec.Struct, gc=False):
    """Habits of one endpoint: how many requests, how many found their head warm, how many went on with a conversation."""

    requests: int = 0
    heads: int = 0
    talks: int = 0

    def count(self, *, head: bool, talk: bool) -> None:
        if self.requests >= _FORGET_AT:
            self.requests, self.heads, self.talks = self.requests // 2, self.heads // 2, self.talks // 2
        self.requests += 1
        self.heads += head
        self.talks += talk


class _Sent(msgspec.Struct, gc=False):
    at_s: float
    gap_s: float  # mean time between two requests with this prefix; infinite for the first


class Prefixes:
    """Times are monotonic seconds; `ttl_s` is how long a provider keeps what nobody reads."""

    def __init__(self, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._sent: OrderedDict[tuple[str, bytes], _Sent] = OrderedDict()
        self._habits: OrderedDict[str, Seen] = OrderedDict()

    def warm(self, model: str, links: Sequence[Link], now_s: float) -> Link | None:
        """The longest prefix of these that this model was sent within its time; `None`: not even the first."""
        for link in reversed(links):
            if (known := self._sent.get((model, link.digest))) is not None and now_s - known.at_s < self.ttl_s:
                return link
        return None

    def sent(self, model: str, endpoint: str, sent: Chain, now_s: float) -> None:
        """Take note of a request that goes to this model."""
        warm = self.warm(model, sent.links, now_s)
        habits = self._habits.get(endpoint)
        if habits is None:
            habits = self._habits[endpoint] = Seen()
            if len(self._habits) > _MOST_ENDPOINTS:
                self._habits.popitem(last=False)
        habits.count(head=warm is not None, talk=warm is not None and warm.size > sent.head.size)
        self.note(model, sent, now_s)

    def note(self, name: str, found: Chain, now_s: float) -> None:
        """Remember these prefixes under a name, without counting a request."""
        for link in found.links:
            self._note((name, link.digest), now_s)

    def _note(self, key: tuple[str, bytes], now_s: float) -> None:
        known = self._sent.pop(key, None)
        if known is None:
            known = _Sent(now_s, float("inf"))
        else:
            gap_s = now_s - known.at_s
            known.gap_s = gap_s if known.gap_s == float("inf") else 0.8 * known.gap_s + 0.2 * gap_s
            known.at_s = now_s
        self._sent[key] = known
        if len(self._sent) > _MOST_LINKS:
            self._sent.popitem(last=False)

    def heads(self, endpoint: str) -> Reads:
        """Of tools and system prompts."""
        seen = self._habits.get(endpoint, Seen())
        return Reads(seen.requests, seen.heads)

    def talks(self, endpoint: str) -> Reads:
        """Of conversations: every request writes its own end, and the next turn, if it comes in time, reads it."""
        seen = self._habits.get(endpoint, Seen())
        return Reads(seen.requests + seen.talks, seen.talks)

    def lanes(self, model: str, head: Link) -> int:
        """Over how many cache keys requests with this head are spread, so that none is busier than a key may be."""
        known = self._sent.get((model, head.digest))
        if known is None or known.gap_s <= 0 or known.gap_s == float("inf"):
            return 1
        return max(1, round(_MINUTE_S / known.gap_s / _BUSY_PER_MINUTE))
