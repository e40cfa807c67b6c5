"""Patient work: files that callers bring, batches over them, and the items they are made of. Times are unix seconds, money picodollars."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

BatchStatus = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
ENDED = frozenset({"failed", "completed", "expired", "cancelled"})

# queued: may be taken. later: its time has not come. twin: waits for the same request of the same batch. running: a worker has it. The rest is final.
ItemState = Literal["queued", "later", "twin", "running", "done", "failed", "expired", "cancelled"]


class StoredFile(msgspec.Struct, frozen=True):
    """A file without its content. `part` says which lines of `batch` an answer file shows; a file that was brought has neither."""

    id: str
    tenant: str
    key_id: str | None
    name: str
    purpose: str
    bytes: int
    created_at: float
    expires_at: float | None
    batch: str | None = None
    part: Literal["output", "errors"] | None = None


class Batch(msgspec.Struct, frozen=True):
    """One order: a file of requests to one path, or (`kind` call) a single request that may wait."""

    id: str
    tenant: str
    key_id: str | None
    kind: Literal["batch", "call"]
    path: str  # "/v1/chat/completions"
    input_file: str | None
    output_file: str | None
    error_file: str | None
    status: BatchStatus
    window: str  # as the caller said it: "24h"
    metadata: str | None  # JSON object, as the caller sent it
    headers: str  # JSON object of the labels that hold for every item: lower-case name -> value
    created_at: float
    expires_at: float
    in_progress_at: float | None
    finalizing_at: float | None
    completed_at: float | None
    failed_at: float | None
    expired_at: float | None
    cancelling_at: float | None
    cancelled_at: float | None
    total: int
    done: int
    failed: int
    errors: str | None  # JSON list of what was wrong with the file
    resumes_at: float | None  # nothing of it starts before then: a limit is reached


class NewItem(msgspec.Struct, frozen=True, gc=False):
    """One request of a file, ready to be queued."""

    line: int
    custom_id: str
    body: bytes
    prefix: bytes  # items that begin alike sort together
    twin_of: int | None  # line of the same request earlier in the batch


class Leased(msgspec.Struct, frozen=True):
    """An item that this worker has to answer. `epoch` rises with every lease: an answer from an older one is not taken."""

    item: int
    epoch: int
    batch: Batch
    line: int
    custom_id: str
    body: bytes
    attempts: int  # how often it was sent and came back with a fault that may pass
    reuse: bytes | None  # what its twin left for it: the answer as the cache keeps one


class Keep(msgspec.Struct, frozen=True):
    """On a request: its answer is written into this item, in the transaction that writes the request's row."""

    item: int
    epoch: int
    batch: str
    has_twins: bool
    reshape: Callable[[Any, bytes], bytes] | None = None  # from the exchange and its answer to the answer of the item's own route


class Answered(msgspec.Struct, frozen=True):
    """What an item came to: `response` is `{"status_code", "request_id", "body"}` as JSON."""

    item: int
    epoch: int
    request_id: str
    response: bytes
    ok: bool
    reuse: bytes | None = None  # for its twins


class ItemLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an answer file."""

    item: int
    line: int
    custom_id: str
    state: ItemState
    response: bytes | None


class QueueDepth(msgspec.Struct, frozen=True):
    """How much waits and runs."""

    queued: int
    running: int
