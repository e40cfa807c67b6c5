"""Requests in flight when their worker died: settled as `interrupted`, at what was quoted, meters trued up.

An intent whose slot nobody holds has lost its worker. The slot stays claimed until its intents are settled, so no two workers sweep it.
What nobody can know any more (latency, answer tokens, dialect) is NULL.
"""

import sqlite3
from collections.abc import Iterable

import msgspec

from farthing.core.ledger import Intent, LedgerRow, Release
from farthing.stores.sqlite.group import Op
from farthing.stores.sqlite.transaction import patiently

_FIELDS = LedgerRow.__struct_fields__
_MESSAGE = "The gateway stopped with this request in flight; its cost is the estimate made before the call."


def slots_with_intents(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in patiently(connection, "SELECT DISTINCT slot FROM intents").fetchall()]


def settle_orphans(connection: sqlite3.Connection, slot: int) -> list[Op]:
    """Operations that settle every intent of a slot whose owner is dead. Empty when there is none."""
    found = patiently(connection, "SELECT intent FROM intents WHERE slot = ? ORDER BY request_id, part", (slot,)).fetchall()
    requests: dict[str, list[Intent]] = {}
    for (text,) in found:
        intent = msgspec.json.decode(text, type=Intent)
        requests.setdefault(intent.request_id, []).append(intent)
    return [_settle(intents, parked=_is_parked(connection, intents[0].item)) for intents in requests.values()]


def _is_parked(connection: sqlite3.Connection, item: int | None) -> bool:
    """A call that waits for its provider's batch is not lost with its worker: it is paid for once, when its item has its answer."""
    sql = "SELECT 1 FROM provider_calls WHERE item = ? AND state != 'missed'"
    return item is not None and patiently(connection, sql, (item,)).fetchone() is not None


def _settle(intents: list[Intent], *, parked: bool) -> Op:
    releases = [Release(meter, held, 0 if parked else used) for intent in intents for meter, held, used in intent.holds]
    return Op(intents[0].request_id, None, releases=releases, row=_row(intents, parked=parked), closes=True)


def _row(intents: list[Intent], *, parked: bool) -> tuple[object, ...]:
    first, last = intents[0], intents[-1]
    known: dict[str, object] = {
        "request_id": first.request_id,
        "run_id": first.run_id,
        "received_at": first.received_at,
        "endpoint": first.endpoint,
        "tenant": first.tenant,
        "key_id": first.key_id,
        "user_hash": first.user_hash,
        "requested_model": first.model,
        "model_name": last.model,
        "provider": last.service,
        "model_tier": last.tier,
        "tokens_in": 0 if parked else sum(intent.quoted_input_tokens for intent in intents),
        "usage_estimated": True,
        "cache": "miss",
        "rag_used": False,
        "num_llm_calls": len(intents),
        "cost_picousd": 0 if parked else _sum(intent.quoted_picousd for intent in intents),
        "decisions": "[]",
        "outcome": "interrupted",
        "status": 500,
        "error_code": "interrupted",
        "error_message": _MESSAGE,
    }
    return tuple(known.get(field) for field in _FIELDS)


def _sum(amounts: Iterable[int | None]) -> int | None:
    """`None` as soon as one is unknown."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
