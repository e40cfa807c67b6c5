"""A plain HTTP request of ours to a host of the user's own: what a flow asks and gets."""

import msgspec


class WebRequest(msgspec.Struct, frozen=True):
    """`target` is path and query, percent-encoded. `private_ok`: the address may be one of a private network."""

    method: str
    tls: bool
    host: str
    port: int
    target: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    deadline_s: float  # monotonic
    max_bytes: int
    private_ok: bool = False


class WebReply(msgspec.Struct, frozen=True):
    status: int
    content_type: str
    body: bytes
