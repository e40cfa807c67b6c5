"""The examples step: before the conversation, the few examples that are most like what is asked."""

import msgspec

from farthing.brain.failopen import attempt_later
from farthing.brain.prefixing import dearer
from farthing.brain.shots import Shots, marked_examples, most_like, with_examples, without_marked
from farthing.brain.trip import Trip
from farthing.config.context import FewShot
from farthing.core.account import Effect
from farthing.core.decision import Decision
from farthing.core.request import Dialect
from farthing.wire.patch import patch


async def show(trip: Trip) -> None:
    """Choose among the endpoint's examples, and among those that the caller marked where the endpoint says so."""
    shots, settings, inbound = trip.house.shots, trip.endpoint.few_shot, trip.x.inbound
    if shots is None or "diet" in trip.off or inbound.dialect is Dialect.EMBEDDINGS or inbound.peek.stored_upstream:
        return
    if b"cache_control" in inbound.body or not (settings.marked or shots.of(_endpoint(trip))):
        return
    await attempt_later(trip.x, "diet", lambda: _show(trip, shots, settings), lambda: None)


async def _show(trip: Trip, shots: Shots, settings: FewShot) -> None:
    asked = _first_question(trip)
    if not asked.strip():
        return
    if settings.marked:
        await _thin_out(trip, shots, settings.keep, asked)
    examples = shots.of(_endpoint(trip))
    if not examples:
        return
    chosen = tuple(range(len(examples)))
    if len(examples) > settings.keep:
        vectors = await shots.vectors([asked, *(one.input for one in examples)])
        chosen = most_like(vectors[1:], vectors[0], settings.keep)
    shown = [examples[place] for place in chosen]
    fields = with_examples(trip.x.inbound.dialect, trip.body, shown)
    if fields:
        trip.body = patch(trip.body, fields)
        tokens = sum(_count(trip, one.input) + _count(trip, one.output) for one in shown)
        reason = f"{len(shown)} of {len(examples)} examples, those most like what is asked: {tokens} tokens"
        trip.x.decisions.append(Decision("diet", "examples", reason))
        _weigh(trip, tokens)


async def _thin_out(trip: Trip, shots: Shots, keep: int, asked: str) -> None:
    x = trip.x
    marked = marked_examples(x.inbound.dialect, trip.body)
    if len(marked) <= keep:
        return
    vectors = await shots.vectors([asked, *(one.text for one in marked)])
    kept = most_like(vectors[1:], vectors[0], keep)
    before = _count(trip, trip.body.decode())
    gone = [one for place, one in enumerate(marked) if place not in kept]
    body = patch(trip.body, without_marked(x.inbound.dialect, trip.body, gone))
    saved = before - _count(trip, body.decode())
    if saved <= 0:
        return
    if (reason := dearer(trip, body)) is not None:
        x.decisions.append(Decision("diet", "kept", reason))
        return
    trip.body = body
    reason = f"{keep} of {len(marked)} marked examples, those most like what is asked"
    x.decisions.append(Decision("diet", "examples", reason, saved_tokens=saved))
    x.effects.append(Effect("diet", input_tokens=saved))
    _weigh(trip, -saved)


def _endpoint(trip: Trip) -> str:
    """Endpoints that the configuration does not know are all `default`."""
    name = trip.x.inbound.endpoint
    return name if name in trip.house.config.endpoints else "default"


def _first_question(trip: Trip) -> str:
    """What began the conversation: later turns must not change what stands before it. Marked examples are no part of it."""
    peek = trip.x.inbound.peek
    marked = {one.text for one in marked_examples(trip.x.inbound.dialect, trip.body)}
    return next((turn.text for turn in peek.turns if turn.role == "user" and turn.text not in marked), "")


def _count(trip: Trip, text: str) -> int:
    return trip.house.tokens.count(text, trip.x.inbound.peek.model)


def _weigh(trip: Trip, tokens: int) -> None:
    if trip.x.signals is not None:
        trip.x.signals = msgspec.structs.replace(trip.x.signals, input_tokens=max(1, trip.x.signals.input_tokens + tokens))
