"""The lossy step: leave out what the question does not need, where the endpoint allows it and the provider's prompt cache does not make it dearer.

After the length rule, so that the beginning of the prompt is as it will be sent; before documents are looked up, which are chosen sentence by
sentence already. The summary of turns that are gone comes later, when the call has its seat and its budget.
"""

import msgspec

from farthing.brain.checking import side_call
from farthing.brain.diet.lossy import CutBody, LossyLever
from farthing.brain.diet.lossy.summary import SUMMARY_TOKENS, framed, summary_body, summary_pays
from farthing.brain.failopen import attempt, attempt_later
from farthing.brain.prefixing import dearer
from farthing.brain.trip import Trip
from farthing.core.account import Effect
from farthing.core.decision import LEFT_OUT, Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.wire.dialects import translate_request
from farthing.wire.patch import patch
from farthing.wire.slots import slots

_ON_WHOLE_TEXTS = frozenset(("summarize", "translate", "rewrite", "classification", "tag_prediction", "sentiment"))


def leave_out(trip: Trip) -> None:
    """Cut the body by the endpoint's lossy rules. On record: what went, or why nothing did."""
    inbound, settings = trip.x.inbound, trip.endpoint.lossy
    if not settings.rules or not trip.off.isdisjoint(("diet", "lossy")) or inbound.dialect is Dialect.EMBEDDINGS or inbound.peek.stored_upstream:
        return
    attempt(trip.x, "diet", lambda: _leave_out(trip), lambda: None)


def _leave_out(trip: Trip) -> None:
    x, tokens = trip.x, trip.house.tokens
    model = x.inbound.peek.model
    whole_texts = x.signals is not None and x.signals.task in _ON_WHOLE_TEXTS
    cut = LossyLever(trip.endpoint.lossy).apply(x.inbound.dialect, trip.body, lambda text: tokens.count(text, model), whole_texts=whole_texts)
    if cut.saved_tokens <= 0:
        return
    body = patch(trip.body, cut.fields)
    if (reason := dearer(trip, body)) is not None:
        x.decisions.append(Decision("diet", "kept", reason))
        return
    trip.body, trip.cut = body, cut
    names = ", ".join(dict.fromkeys(trim.rule for trim in cut.trims))
    x.decisions.append(Decision("diet", LEFT_OUT, f"{names}: {cut.saved_tokens} tokens left out", saved_tokens=cut.saved_tokens))
    x.effects.append(Effect("diet", input_tokens=cut.saved_tokens))
    _count(trip, (SUMMARY_TOKENS if trip.endpoint.lossy.summarize and cut.left_out else 0) - cut.saved_tokens)


def _count(trip: Trip, tokens: int) -> None:
    if trip.x.signals is not None:
        trip.x.signals = msgspec.structs.replace(trip.x.signals, input_tokens=max(1, trip.x.signals.input_tokens + tokens))


async def summarize(trip: Trip) -> None:
    """Put a summary where turns were left out, if the endpoint wants one and it pays. Its cost is the diet's."""
    if trip.cut is None or not trip.cut.left_out or not trip.endpoint.lossy.summarize:
        return
    cut = trip.cut
    await attempt_later(trip.x, "diet", lambda: _summarize(trip, cut), lambda: None)


async def _summarize(trip: Trip, cut: CutBody) -> None:
    x, house = trip.x, trip.house
    targets = house.catalog.tier("cheap")
    known = house.summaries.longest(cut.left_out)
    unread = cut.left_out[known.turns :]
    if unread:
        if not targets or not _pays(trip, cut, targets[0], unread):
            x.decisions.append(Decision("diet", "no_summary", "a summary of what was left out would cost more than it saves"))
            return
        try:
            text = (await _ask(trip, targets[0], summary_body(targets[0].model, known, unread))).strip()
        except FarthingError as error:
            x.decisions.append(Decision("diet", "no_summary", f"{targets[0].model} could not be asked: {error.code}", failed_open=True))
            return
        if not text:
            return
        house.summaries.keep(cut.left_out, text)
    else:
        text = known.text
    placed = framed(cut.note, text)
    fields = _in_place(trip.x.inbound.dialect, trip.body, cut.note, placed)
    trip.body = patch(trip.body, fields)
    tokens = house.tokens.count(placed, x.inbound.peek.model)
    x.effects.append(Effect("diet", input_tokens=-tokens))
    x.decisions.append(Decision("diet", "summary", f"{len(cut.left_out)} turns in {tokens} tokens, {'made now' if unread else 'made before'}"))


def _pays(trip: Trip, cut: CutBody, cheap: Target, unread: tuple[str, ...]) -> bool:
    house, x = trip.house, trip.x
    answering = x.target or cheap
    left, new = (sum(house.tokens.count(text, x.inbound.peek.model) for text in texts) for texts in (cut.left_out, unread))
    talks = house.prefixes.talks(x.inbound.endpoint)
    cheap_rate, rate = (house.prices.rate(target.service, target.model) for target in (cheap, answering))
    return summary_pays(left, new, cheap_rate, rate, talks.per_write)


async def _ask(trip: Trip, target: Target, body: bytes) -> str:
    dialect = Dialect.CHAT
    if Dialect.CHAT not in trip.house.models.dialects(target.service):
        dialect = Dialect.MESSAGES
        body = translate_request(Dialect.CHAT, dialect, body, model=target.model, stream=False)
    return (await side_call(trip, target, dialect, body, "summary", stream=False)).text


def _in_place(dialect: Dialect, body: bytes, note: str, instead: str) -> dict[str, bytes]:
    fields = msgspec.json.decode(body)
    slot = next((slot for slot in slots(dialect, fields) if slot.said == "user" and slot.text.startswith(note)), None)
    if slot is None:
        return {}
    slot.text = instead + slot.text[len(note) :]
    return {slot.field: msgspec.json.encode(fields[slot.field])}
