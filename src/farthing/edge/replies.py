"""Sending small whole answers."""

from typing import Any

import msgspec

from farthing.edge.caller import Headers, Send

_encode = msgspec.json.Encoder(enc_hook=str).encode


async def send_bytes(send: Send, status: int, body: bytes, content_type: bytes = b"application/json", headers: Headers | None = None) -> None:
    head = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, value: Any, headers: Headers | None = None) -> None:
    """`value` is anything msgspec encodes; Decimals become strings."""
    await send_bytes(send, status, _encode(value), headers=headers)
