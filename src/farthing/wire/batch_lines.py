"""The lines of OpenAI's batch files: requests coming in, answers and errors going out. Pure."""

import msgspec

from farthing.core.batch import ItemLine
from farthing.core.errors import InvalidRequest
from farthing.core.request import Dialect

PATHS = {
    "/v1/chat/completions": Dialect.CHAT,
    "/v1/responses": Dialect.RESPONSES,
    "/v1/embeddings": Dialect.EMBEDDINGS,
    "/v1/messages": Dialect.MESSAGES,
}

_EXPIRED = b'{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}'
_CANCELLED = b'{"code":"batch_cancelled","message":"The batch was cancelled before this request was executed."}'
_text = msgspec.json.Encoder().encode
_MOST_ID_CHARS = 512


class RequestLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an input file."""

    custom_id: str
    body: msgspec.Raw
    method: str = "POST"
    url: str = ""


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with a line, in the fields that OpenAI uses; lines count from 1."""

    code: str
    line: int | None
    message: str
    param: str | None = None


_read = msgspec.json.Decoder(RequestLine).decode


def read_line(raw: bytes, number: int, path: str) -> RequestLine | LineProblem:
    """A request, or why it is none."""
    try:
        line = _read(raw)
    except msgspec.ValidationError as error:
        return LineProblem("invalid_json_line", number, f"This line is not a request: {error}. Expected custom_id, method, url and body.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return LineProblem("invalid_json_line", number, f"This line is not parseable as valid JSON: {error}.")
    if not line.custom_id or len(line.custom_id) > _MOST_ID_CHARS:
        return LineProblem("invalid_custom_id", number, f"custom_id must have 1 to {_MOST_ID_CHARS} characters.", "custom_id")
    if line.method != "POST":
        return LineProblem("invalid_method", number, f"method is '{line.method[:20]}'; only POST is allowed.", "method")
    if line.url != path:
        return LineProblem("mismatched_url", number, f"url is '{line.url[:80]}', but the batch is for {path}.", "url")
    return line


def problem_of(error: InvalidRequest, number: int) -> LineProblem:
    """A body that cannot be a request of its path."""
    return LineProblem(error.code, number, error.message, None if error.param is None else f"body.{error.param}")


def answer_line(item: ItemLine) -> bytes:
    """One line of an answer file, its line break included."""
    response, error = item.response or b"null", b"null"
    if item.state == "expired":
        response, error = b"null", _EXPIRED
    elif item.state == "cancelled":
        response, error = b"null", _CANCELLED
    return b'{"id":"batch_req_%d","custom_id":%b,"response":%b,"error":%b}\n' % (item.item, _text(item.custom_id), response, error)


def response_of(status: int, request_id: str, body: bytes) -> bytes:
    """`response` of a line. A body that is not one JSON value on one line is made so, or told as text."""
    if b"\n" in body or b"\r" in body:
        try:
            body = msgspec.json.format(body, indent=-1)
        except msgspec.DecodeError:
            body = _text(body.decode("utf-8", "replace"))
    return b'{"status_code":%d,"request_id":%b,"body":%b}' % (status, _text(request_id), body)
