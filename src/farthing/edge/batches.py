"""/v1/batches: many requests that may take their time, in OpenAI's form. A batch is its tenant's, and runs under the key that ordered it."""

import re
from typing import Any

import msgspec

from farthing.core.batch import ENDED, Batch, StoredFile
from farthing.core.errors import BadJson, InvalidRequest, NotFound
from farthing.core.ids import new_id
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.files import jobs_of, limit_of, owned_file, page_of, query_of
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, labels_of, read_body, tenant_of
from farthing.edge.replies import send_json
from farthing.wire.batch_lines import PATHS

ONE = "/v1/batches/"
_MOST_BYTES = 65_536
_MOST_LISTED = 100
_USUAL_LISTED = 20
_WINDOW = re.compile(r"(\d{1,4})(m|h|d)")
_UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


class _Order(msgspec.Struct, frozen=True):
    """Body of POST /v1/batches; fields that we do not know are the provider's business and do nothing here."""

    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None


async def create(gateway: Gateway, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """POST /v1/batches. The file is read and judged after the answer; `status` says how that went."""
    jobs, headers = jobs_of(gateway), headers_of(scope)
    order = _read(await read_body(receive, headers, _MOST_BYTES))
    if order.endpoint not in PATHS:
        raise InvalidRequest(f"endpoint is '{order.endpoint[:80]}'; batches are made of {', '.join(PATHS)}.", param="endpoint")
    tenant, now = tenant_of(headers, principal), gateway.clock.now()
    file = owned_file(gateway, tenant, order.input_file_id)
    if file.purpose != "batch" or file.batch is not None:
        raise InvalidRequest("This file is no input of a batch. Upload one with purpose 'batch'.", param="input_file_id")
    batch = new_batch(
        tenant,
        principal,
        path=order.endpoint,
        file=file,
        window=order.completion_window,
        window_s=window_s(order.completion_window, gateway.house.config.batch.window_s),
        metadata=None if order.metadata is None else msgspec.json.encode(order.metadata).decode(),
        headers=labels_of(headers),
        now=now,
    )
    await jobs.create(batch)
    gateway.wake_runner()
    await send_json(send, 200, shown_batch(batch))


def _read(body: bytes) -> _Order:
    try:
        return msgspec.json.decode(body, type=_Order)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadJson(f"The body is not JSON: {error}") from error


def window_s(said: str, longest_s: float) -> float:
    """`24h` in seconds. Raises `InvalidRequest` beyond the configured longest."""
    found = _WINDOW.fullmatch(said)
    if found is None or not int(found[1]):
        raise InvalidRequest(f"completion_window is '{said[:20]}'; expected something like 24h, 90m or 2d.", param="completion_window")
    asked_s = int(found[1]) * _UNITS_S[found[2]]
    if asked_s > longest_s:
        raise InvalidRequest(f"completion_window is longer than {longest_s / 3600:g} h (`batch.window_s`).", param="completion_window")
    return asked_s


def new_batch(
    tenant: str,
    principal: Principal,
    *,
    path: str,
    file: StoredFile | None,
    window: str,
    window_s: float,
    metadata: str | None,
    headers: str,
    now: float,
) -> Batch:
    """One that has just been ordered: over a file that is still to be read, or of a single call."""
    call = file is None
    return Batch(
        id=new_id("call" if call else "batch", now),
        tenant=tenant,
        key_id=principal.key_id,
        kind="call" if call else "batch",
        path=path,
        input_file=None if file is None else file.id,
        output_file=None,
        error_file=None,
        status="in_progress" if call else "validating",
        window=window,
        metadata=metadata,
        headers=headers,
        created_at=now,
        expires_at=now + window_s,
        in_progress_at=now if call else None,
        finalizing_at=None,
        completed_at=None,
        failed_at=None,
        expired_at=None,
        cancelling_at=None,
        cancelled_at=None,
        total=1 if call else 0,
        done=0,
        failed=0,
        errors=None,
        resumes_at=None,
    )


def owned_batch(gateway: Gateway, tenant: str, batch_id: str, kind: str = "batch") -> Batch:
    """Raises `NotFound`."""
    batch = jobs_of(gateway).batch(batch_id)
    if batch is None or batch.tenant != tenant or batch.kind != kind:
        where = "GET /v1/batches lists those of this key's tenant." if kind == "batch" else "It may have been too long ago."
        raise NotFound(f"There is no {kind} '{batch_id[:80]}'. {where}", param="batch_id")
    return batch


async def listed(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """GET /v1/batches, newest first."""
    jobs, tenant, asked = jobs_of(gateway), tenant_of(headers_of(scope), principal), query_of(scope)
    limit = limit_of(asked, _USUAL_LISTED, _MOST_LISTED)
    after = owned_batch(gateway, tenant, asked["after"]) if "after" in asked else None
    found = jobs.batches(tenant, after=after, limit=limit + 1)
    await send_json(send, 200, page_of([shown_batch(batch) for batch in found], limit))


async def one(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """GET /v1/batches/ID."""
    await send_json(send, 200, shown_batch(owned_batch(gateway, tenant_of(headers_of(scope), principal), scope["path"].removeprefix(ONE))))


async def act(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """POST /v1/batches/ID/cancel. What has begun ends; what has not, never will."""
    batch_id, _, what = scope["path"].removeprefix(ONE).partition("/")
    if what != "cancel":
        raise NotFound(f"There is no route {scope['path'][:200]}.")
    batch = owned_batch(gateway, tenant_of(headers_of(scope), principal), batch_id)
    if batch.status in ENDED:
        raise InvalidRequest(f"The batch has ended already: it is {batch.status}.", param="batch_id")
    jobs = jobs_of(gateway)
    await jobs.cancel(batch.id, gateway.clock.now())
    gateway.wake_runner()
    await send_json(send, 200, shown_batch(jobs.batch(batch.id) or batch))


def shown_batch(batch: Batch) -> dict[str, Any]:
    """In OpenAI's form, and `farthing` beside it with what that form has no place for."""
    errors = None if batch.errors is None else {"object": "list", "data": msgspec.json.decode(batch.errors)}
    moments = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at")
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.path,
        "errors": errors,
        "input_file_id": batch.input_file or "",
        "completion_window": batch.window,
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        **{name: None if (moment := getattr(batch, name)) is None else int(moment) for name in moments},
        "request_counts": {"total": batch.total, "completed": batch.done, "failed": batch.failed},
        "metadata": None if batch.metadata is None else msgspec.json.decode(batch.metadata),
        "farthing": {"waits_until": None if batch.resumes_at is None else int(batch.resumes_at)},
    }
