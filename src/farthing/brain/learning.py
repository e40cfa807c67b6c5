"""The learned part of routing: what the rules left open goes to the router that was trained for it, or to a model that is asked.

A router that is missing or broken, an embedding or a call that fails: the rules' choice stands, and the decision says why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.brain import sending
from farthing.brain.checking import side_call
from farthing.brain.failopen import attempt
from farthing.brain.route.base import Judged, Step
from farthing.brain.trip import Trip
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange, Target
from farthing.core.request import Dialect
from farthing.wire.dialects import translate_request

if TYPE_CHECKING:
    from farthing.brain.route.cascade.answers import Read

_EMBED_S = 1.0
_QUESTION = (
    "How hard is the request below for a small language model? Reply with one digit: 1 a small model surely gets it right, "
    "5 it surely needs a large one. Do not answer the request.\n\n<request>\n{request}\n</request>\n\nDigit:"
)
_SHOWN_CHARS = 4000


class Learned(Protocol):
    """A trained router with its embedder, or the reason why there is none."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; `None` when it can."""
        ...

    @property
    def models(self) -> tuple[str, str, str | None]:
        """Cheap, expensive, and the second cheap one."""
        ...

    async def judge(self, x: Exchange, *, may_read: bool) -> Judged: ...

    def read(self, judged: Judged, prompt: str, answer: Read, second: str | None = None) -> Step: ...


async def route(trip: Trip) -> tuple[Target, ...]:
    """Where to go, in order: by the rules, and where these leave it open by what was learned."""
    targets = sending.route(trip)
    if not trip.open_route:
        return targets
    judged = await _judge(trip)
    if judged is None:
        return targets
    return _settle(trip, judged)


async def _judge(trip: Trip) -> Judged | None:
    """`None`: the rules' choice stands."""
    house, use = trip.house, trip.endpoint.learned
    asks = house.config.route.asked.model is not None
    if house.learned is None or use == "off":
        return await _ask(trip) if asks and house.learned is None and use != "off" else None
    if house.learned.problem is not None:
        _note(trip, f"learned router not used: {house.learned.problem}")
        return None
    may_read = house.config.route.learned.cascade and use != "route" and _readable(trip)
    try:
        async with asyncio.timeout(_EMBED_S):
            judged = await house.learned.judge(trip.x, may_read=may_read)
    except (FarthingError, TimeoutError) as error:
        _note(trip, f"learned router not used: {error or 'the embedding took too long'}")
        return None
    # What chance chose stays chosen: a veto would make its chance on record wrong.
    near = judged.tier == "cheap" and judged.propensity == 1.0 and judged.margin is not None and judged.margin <= house.config.route.asked.grey_gap
    if asks and near:
        asked = await _ask(trip)
        if asked is not None and asked.tier == "expensive":
            return Judged("expensive", f"{judged.reason}; but {asked.reason}")
    return judged


def _readable(trip: Trip) -> bool:
    """An answer can be read whole and replaced: it is text, one of it, and no tools are in play."""
    peek = trip.x.inbound.peek
    return trip.x.inbound.dialect is not Dialect.EMBEDDINGS and peek.n == 1 and not peek.has_tools and "check" not in trip.off


def _settle(trip: Trip, judged: Judged) -> tuple[Target, ...]:
    x, house = trip.x, trip.house
    advice = x.decisions[-1]
    propensity = None if judged.propensity == 1.0 else judged.propensity
    decision = Decision("route", judged.tier, f"learned: {judged.reason}; rules left it open ({advice.reason})", propensity=propensity)
    cheap, dear = (house.learned.models[:2]) if house.learned is not None and house.learned.problem is None else ("", "")
    model = judged.model or (cheap if judged.tier == "cheap" else dear)
    now = house.clock.monotonic()
    routed = attempt(
        x, "route", lambda: house.router.settle_on(x.inbound, judged.tier, decision, model=model, now=now, healthy=house.models.healthy), lambda: None
    )
    if routed is None:
        assert x.target is not None
        return (x.target,)
    x.decisions[-1] = routed.decision
    x.target = routed.targets[0]
    if judged.dials is not None and routed.targets[0].tier == "cheap":
        trip.judged = judged
    return routed.targets


def _note(trip: Trip, why: str) -> None:
    """On record with the decision that stands."""
    last = trip.x.decisions[-1]
    trip.x.decisions[-1] = msgspec.structs.replace(last, reason=f"{last.reason}; {why}", failed_open=True)


async def _ask(trip: Trip) -> Judged | None:
    """A cheap model's word on how hard this is: one token. `None` when it gave none."""
    asked, catalog = trip.house.config.route.asked, trip.house.catalog
    assert asked.model is not None
    text = "\n\n".join(f"{turn.role}: {turn.text}" for turn in trip.x.inbound.peek.turns)
    shown = text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS // 2]}\n...\n{text[-_SHOWN_CHARS // 2 :]}"
    try:
        target = catalog.resolve(asked.model)
        body = msgspec.json.encode(
            {"model": target.model, "messages": [{"role": "user", "content": _QUESTION.format(request=shown)}], "temperature": 0, "max_tokens": 1}
        )
        dialect = Dialect.CHAT
        if Dialect.CHAT not in trip.house.models.dialects(target.service):
            dialect = Dialect.MESSAGES
            body = translate_request(Dialect.CHAT, dialect, body, model=target.model, stream=False)
        answer = await side_call(trip, target, dialect, body, "router", stream=False)
    except FarthingError as error:
        _note(trip, f"{asked.model} could not be asked: {error.code}")
        return None
    digit = next((int(char) for char in answer.text if char in "12345"), None)
    if digit is None:
        _note(trip, f"{asked.model} gave no digit: {answer.text[:20]!r}")
        return None
    easy = digit <= asked.easy_up_to
    return Judged("cheap" if easy else "expensive", f"{asked.model} says difficulty {digit} {'<=' if easy else '>'} {asked.easy_up_to}")
