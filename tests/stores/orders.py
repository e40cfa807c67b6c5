"""Batches for tests, as they stand right after they were ordered."""

from typing import Any

from farthing.core.batch import Batch

PLAIN: dict[str, Any] = {
    **dict.fromkeys(Batch.__struct_fields__),
    "kind": "batch",
    "path": "/v1/chat/completions",
    "input_file": "file_1",
    "status": "validating",
    "window": "24h",
    "headers": "{}",
    "created_at": 1000.0,
    "expires_at": 2000.0,
    "total": 0,
    "done": 0,
    "failed": 0,
}


def order(batch_id: str = "batch_1", tenant: str = "acme", **change: Any) -> Batch:
    return Batch(**{**PLAIN, "id": batch_id, "tenant": tenant, **change})
