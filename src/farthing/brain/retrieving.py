"""The retrieval step: an endpoint that names a collection is answered from it. After the diet, which has nothing to take from what was chosen
sentence by sentence, and before routing, which must see what will really be sent.
"""

import msgspec

from farthing.brain.checking import side_call
from farthing.brain.failopen import attempt_later
from farthing.brain.retrieve.base import Found
from farthing.brain.retrieve.context import context_block, with_context
from farthing.brain.retrieve.rewrite import query_of, rewrite_body, worth_rewriting
from farthing.brain.retrieve.skip import skip_reason
from farthing.brain.trip import Trip
from farthing.core.account import Effect
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Attempt
from farthing.core.money import ZERO_USD
from farthing.core.request import Dialect
from farthing.wire.dialects import translate_request
from farthing.wire.patch import patch


def note_state(trip: Trip) -> None:
    """An answer rests on its collection: a change there has the cache look at once for what it made stale."""
    collection, retriever = trip.endpoint.collection, trip.house.retriever
    if collection is None or retriever is None or "retrieve" in trip.off:
        return
    trip.x.inbound.rests_on = collection
    trip.house.cache.note_state(trip.x.inbound.tenant, retriever.state(trip.x.inbound.tenant, collection))


async def retrieve(trip: Trip) -> None:
    """Put what the documents say before the question. On record: sources, tokens, time, and what sending the best 20 chunks would have taken."""
    x = trip.x
    if trip.endpoint.collection is None or trip.house.retriever is None or "retrieve" in trip.off or x.inbound.dialect is Dialect.EMBEDDINGS:
        return
    reason = skip_reason(x.inbound.peek, x.signals)
    if reason is not None:
        x.decisions.append(Decision("retrieve", "skipped", reason))
        return
    began_s = trip.house.clock.monotonic()
    await attempt_later(x, "retrieve", lambda: _retrieve(trip), lambda: None)
    x.retrieval_s = trip.house.clock.monotonic() - began_s


async def _question(trip: Trip) -> str:
    """What is looked for: the last thing the user said, or, where the configuration wants it, that with what the conversation leaves unsaid."""
    x, house, peek = trip.x, trip.house, trip.x.inbound.peek
    targets = house.catalog.tier("cheap")
    if not house.config.retrieve.rewrite or not worth_rewriting(peek.turns) or not targets:
        return peek.last_user_text
    target, dialect = targets[0], Dialect.CHAT
    body = rewrite_body(target.model, peek.turns)
    if Dialect.CHAT not in house.models.dialects(target.service):
        dialect = Dialect.MESSAGES
        body = translate_request(Dialect.CHAT, dialect, body, model=target.model, stream=False)
    try:
        answer = await side_call(trip, target, dialect, body, "rewrite", stream=False)
    except FarthingError as error:
        x.decisions.append(Decision("retrieve", "not_rewritten", f"{target.model} could not be asked: {error.code}", failed_open=True))
        return peek.last_user_text
    question = query_of(answer.text, peek.last_user_text)
    x.decisions.append(Decision("retrieve", "rewritten", f"looked for as: {question.partition(chr(10))[0][:200]}"))
    return question


def _charge_rerank(trip: Trip, found: Found) -> None:
    """The call to a hosted reranker is this request's. One that failed before it answered is taken to cost nothing."""
    reranker = trip.house.retriever.reranker if trip.house.retriever is not None else None
    if reranker is None or found.reranked_s is None:
        return
    error = found.rerank_error
    cost = reranker.usd if error is None else ZERO_USD
    trip.x.attempts.append(Attempt(reranker.target, "rerank", found.reranked_s, None, None, cost, error))
    if error is not None:
        reason = f"{reranker.target.service}/{reranker.target.model} failed: {error}; the local ranking holds"
        trip.x.decisions.append(Decision("retrieve", "not_reranked", reason, failed_open=True))


async def _retrieve(trip: Trip) -> None:
    x, house, collection = trip.x, trip.house, trip.endpoint.collection
    if collection is None or house.retriever is None:
        return
    inbound, budget = x.inbound, trip.endpoint.collection_tokens or house.config.retrieve.budget_tokens
    question = await _question(trip)
    found = await house.retriever.find(inbound.tenant, collection, question, budget_tokens=budget, model=inbound.peek.model, hosted=True)
    _charge_rerank(trip, found)
    if found.small_talk:
        x.decisions.append(Decision("retrieve", "skipped", f"small talk, and nothing in '{collection}' is like it"))
        return
    if found.least_tokens is not None:
        advice = "raise `retrieve.budget_tokens`, or `collection_tokens` of the endpoint"
        reason = f"a budget of {budget} tokens holds nothing of what was found, of which the shortest takes {found.least_tokens}: {advice}"
        x.decisions.append(Decision("retrieve", "skipped", reason))
        return
    block = context_block(found)
    fields = with_context(inbound.dialect, trip.body, block)
    if fields is None:
        x.decisions.append(Decision("retrieve", "skipped", "no place for documents: the last user turn has no text, or is a cached prefix"))
        return
    trip.body = patch(trip.body, fields)
    x.sources = found.sources
    if trip.flight is not None:
        trip.flight.sources = found.sources
    tokens = house.tokens.count(block, inbound.peek.model)
    saved = found.usual_tokens - found.tokens
    also = f"; looked for {', '.join(one.also for one in found.also[:5])} as well" if found.also else ""
    reason = f"{found.tokens} tokens of {len(found.sources)} documents from '{collection}'; the best 20 chunks whole are {found.usual_tokens}{also}"
    x.decisions.append(Decision("retrieve", "sent" if found.excerpts else "nothing", reason, saved_tokens=saved))
    if saved:
        x.effects.append(Effect("retrieve", input_tokens=saved))
    if found.flagged:
        x.decisions.append(Decision("retrieve", "suspicious", f"text that reads like instructions in {', '.join(found.flagged[:5])}; sent as data"))
    if x.signals is not None:
        x.signals = msgspec.structs.replace(x.signals, input_tokens=x.signals.input_tokens + tokens)
