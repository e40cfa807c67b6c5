"""The retrieval step: an endpoint that names a collection is answered from it. After the diet, which has nothing to take from what was chosen
sentence by sentence, and before routing, which must see what will really be sent.
"""

import msgspec

from farthing.brain.failopen import attempt_later
from farthing.brain.retrieve.context import context_block, with_context
from farthing.brain.retrieve.skip import skip_reason
from farthing.brain.trip import Trip
from farthing.core.account import Effect
from farthing.core.decision import Decision
from farthing.core.request import Dialect
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


async def _retrieve(trip: Trip) -> None:
    x, house, collection = trip.x, trip.house, trip.endpoint.collection
    if collection is None or house.retriever is None:
        return
    inbound, budget = x.inbound, trip.endpoint.collection_tokens or house.config.retrieve.budget_tokens
    found = await house.retriever.find(inbound.tenant, collection, inbound.peek.last_user_text, budget_tokens=budget, model=inbound.peek.model)
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
    reason = f"{found.tokens} tokens of {len(found.sources)} documents from '{collection}'; the best 20 chunks whole are {found.usual_tokens}"
    x.decisions.append(Decision("retrieve", "sent" if found.excerpts else "nothing", reason, saved_tokens=saved))
    if saved:
        x.effects.append(Effect("retrieve", input_tokens=saved))
    if found.flagged:
        x.decisions.append(Decision("retrieve", "suspicious", f"text that reads like instructions in {', '.join(found.flagged[:5])}; sent as data"))
    if x.signals is not None:
        x.signals = msgspec.structs.replace(x.signals, input_tokens=x.signals.input_tokens + tokens)
