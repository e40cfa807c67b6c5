"""What the flow carries for one request besides the exchange itself: holds, the open reply, the flight, who listens."""

import asyncio
from decimal import Decimal
from typing import NamedTuple

from farthing.brain.cache import Flight, LeaderLost, Origin
from farthing.brain.cache.semantic.entries import Pending
from farthing.brain.cap import Envelope
from farthing.brain.diet.lossy import CutBody
from farthing.brain.house import House
from farthing.brain.outlet import Outlet
from farthing.brain.ports import Caller
from farthing.brain.quality.shares import narrow, with_draw
from farthing.brain.route.base import Judged
from farthing.brain.row import drawn_for
from farthing.core.call import Call, Reply
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange
from farthing.core.ledger import Hold
from farthing.core.usage import Usage


class ClientGone(Exception):
    """The client hung up while the request could not be interrupted; it ends at the next step."""


class CutShort(Exception):
    """A cap was reached in the middle of an answer. `reason` is told to the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def after(trip: "Trip", left_s: float | None) -> float | None:
    """When a call left, counted from the head of the request."""
    return None if left_s is None else left_s - trip.x.inbound.started_s


class Whole(NamedTuple):
    """What the cache keeps of an answer: the upstream's own bytes, and what that one call took."""

    call: Call
    body: bytes
    usage: Usage | None
    cost_usd: Decimal | None


class Trip:
    """The working state of one journey; ends with it."""

    def __init__(self, x: Exchange, house: House, caller: Caller) -> None:
        self.x = x
        self.house = house
        self.caller = caller
        self.sampled = drawn_for(x.inbound.request_id, house.shares)
        self.on_trial = house.watch is not None and bool(house.watch.lowered) and house.watch.heed(x, house.clock.now())
        if self.on_trial:
            self.sampled = with_draw(self.sampled, "judge")
        self.off = house.levers_off(x.inbound)
        self.body = x.inbound.body  # what goes upstream: the caller's own bytes until a lever changes them
        self.envelope = Envelope(x.inbound, house.config)
        self.holds: tuple[Hold, ...] = ()
        self.seated = False  # an intent of this request is in the book
        self.cache_key: bytes | None = None
        self.origin: Origin | None = None  # what the answer will be kept with
        self.flight: Flight | None = None
        self.open_route = False  # the rules left the tier to what was learned
        self.judged: Judged | None = None  # a cheap answer that is to be read before it is served
        self.near: Decision | None = None  # why a near-identical call in flight answers this request
        self.pending: Pending | None = None  # what the semantic lane saw, for when the answer is there
        self.call: Call | None = None
        self.reply: Reply | None = None
        self.outlet: Outlet | None = None
        self.price_factor: Decimal | None = None  # of the model's price, where the answer came cheaper
        self.tail: bytes | None = None  # the end of an answer that a cap cut
        self.raw: list[bytes] | None = None  # the upstream's bytes, where the cache may want them
        self.instead: Whole | None = None  # the answer of the model that was asked in the first one's stead
        self.sent_s: float | None = None  # monotonic: the call left, and has not ended
        self.left_s: float | None = None  # monotonic: when the last call for the answer left
        self.counted = False  # the answer's tokens are in the attempts
        self.settled = False
        self.limit_reason: str | None = None  # why an answer that reaches our output limit is cut; None: nobody is told
        self.sent_limit: int | None = None  # the output limit that went upstream, whoever set it
        self.ruled: tuple[str, int] | None = None  # a length rule is in the prompt: for which task, and its tokens
        self.unruled: str | None = None  # the rule was left out, to compare: for which task
        self.learns_limit = False  # the limit came from answers before, and this one teaches it
        self.own_output_limit: int | None = None  # tokens at which we, not the caller, end the answer
        self.redacted = False
        self.cut: CutBody | None = None  # what the lossy diet left out
        self.marked = False  # a cache breakpoint of ours is in the body that went upstream
        self.endpoint = house.config.endpoint(x.inbound.endpoint)
        self._task = asyncio.current_task()
        self._interruptible = False
        caller.listen(self._client_left)

    def drawn(self) -> str | None:
        """What this request was drawn for, now that its tier and cache kind are known."""
        x = self.x
        if self.on_trial or self.sampled is None:
            return self.sampled
        tier = x.target.tier if x.target else None
        return narrow(self.sampled, x.inbound.request_id, self.house.config, endpoint=x.inbound.endpoint, tier=tier, cache=x.cache)

    def wait_for_upstream(self) -> None:
        """From here on a hang-up cancels the request at once, unless others fly along."""
        if self.caller.gone and not self._followed:
            raise ClientGone
        self._interruptible = True

    def hands_off(self) -> None:
        """From here on the ledger is being written; a hang-up waits."""
        self._interruptible = False

    def close(self) -> None:
        """Whatever happened: the upstream is let go, and nobody waits for a flight that will not land."""
        if self.reply is not None:
            self.reply.close()
        self.land(LeaderLost("The call this request waited for was abandoned."))

    def land(self, error: FarthingError) -> None:
        """Nothing more comes of the flight. Said before anything is written down, so that nobody boards it meanwhile."""
        if self.flight is not None:
            self.house.cache.flights.end(self.flight, error)

    @property
    def _followed(self) -> bool:
        return self.flight is not None and self.flight.followers > 0

    def _client_left(self) -> None:
        if self._followed and self.flight is not None:
            self.flight.on_abandoned = self._stop
        else:
            self._stop()

    def _stop(self) -> None:
        if self._interruptible and self._task is not None:
            self._task.cancel()
