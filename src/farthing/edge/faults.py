"""Errors on their way out: status, dialect, retry advice. One of the two walls where any exception is caught; it is recorded here."""

import logging

from farthing.core.errors import FarthingError, UpstreamRefused
from farthing.core.request import Dialect
from farthing.edge.caller import Headers, Send
from farthing.edge.replies import send_bytes
from farthing.wire.errors import render_error

log = logging.getLogger("farthing.edge")


def error_headers(error: FarthingError, request_id: str) -> Headers:
    """What SDKs read before they retry."""
    headers: Headers = [(b"x-request-id", request_id.encode())]
    if error.retry is not None:
        headers.append((b"x-should-retry", b"true" if error.retry else b"false"))
    if error.retry_after_s is not None:
        wait_ms = max(1, int(error.retry_after_s * 1000) + 1)
        headers.append((b"retry-after-ms", b"%d" % wait_ms))
        headers.append((b"retry-after", b"%d" % -(-wait_ms // 1000)))
    return headers


def error_body(error: FarthingError, dialect: Dialect, request_id: str, *, native: bool) -> tuple[bytes, bytes]:
    """Body and content type. An upstream's own error passes unmodified where the caller speaks its dialect:
    agents match on the wording."""
    if native and isinstance(error, UpstreamRefused) and error.body:
        return error.body, error.content_type.encode("latin-1")
    return render_error(dialect, error, request_id), b"application/json"


async def send_error(
    send: Send, error: FarthingError, dialect: Dialect, request_id: str, *, native: bool = False, headers: Headers | None = None
) -> None:
    body, content_type = error_body(error, dialect, request_id, native=native)
    status = error.status if 400 <= error.status <= 599 else 502
    await send_bytes(send, status, body, content_type, [*error_headers(error, request_id), *(headers or ())])


def our_fault(exception: BaseException, request_id: str) -> FarthingError:
    """An exception that nobody foresaw: logged in full once, told to the caller in general."""
    log.error("unforeseen %s in request %s", type(exception).__name__, request_id, exc_info=exception)
    return FarthingError(f"Farthing failed on this request. The log has it under {request_id}.")
