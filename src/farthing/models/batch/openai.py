"""The batch API of OpenAI, and of those who copied it: a JSONL file, an order, two files of answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from farthing.config import Service
from farthing.core.clock import Clock
from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.parked import ParkedAnswer, ParkedCall
from farthing.core.web import WebReply, WebRequest
from farthing.models.batch.base import BatchState
from farthing.models.requests import Address, auth_lines, key_of

_MARK = "farthing-batch-boundary-51c7"
_TIMEOUT_S = 300.0
_MOST_BYTES = 268_435_456
_ENDED = frozenset({"completed", "expired", "cancelled"})
_GONE = frozenset({"failed"})
_NAME = "farthing-"

_Shape = TypeVar("_Shape")
Fetch = Callable[[WebRequest], Awaitable[WebReply]]


class _Id(msgspec.Struct):
    id: str


class _Order(msgspec.Struct):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: dict[str, str] | None = None


class _Orders(msgspec.Struct):
    data: list[_Order]


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None


_line = msgspec.json.Decoder(_Line).decode


class OpenAIBatches:
    """Fulfils `Provider` for one row of `[services]`."""

    def __init__(self, name: str, service: Service, *, fetch: Fetch, clock: Clock, environ: Mapping[str, str]) -> None:
        self._name, self._fetch, self._clock = name, fetch, clock
        self._address = Address(name, service)
        self._auth = tuple(auth_lines(service, key_of(service, environ)))
        self._query = f"?{service.query.lstrip('?')}" if service.query else ""

    async def submit(self, tag: str, path: str, calls: Sequence[ParkedCall]) -> str:
        """Upload, then order. The tag is in the order's metadata, by which `find` knows it again."""
        lines = b"\n".join(_request_line(call, path) for call in calls)
        kind = f"multipart/form-data; boundary={_MARK}"
        file = _read(await self._ask("POST", "/files", _form(lines), kind), _Id)
        order = {"input_file_id": file.id, "endpoint": path, "completion_window": "24h", "metadata": {"farthing": tag}}
        return _read(await self._ask("POST", "/batches", msgspec.json.encode(order)), _Order).id

    async def find(self, tag: str) -> str | None:
        orders = _read(await self._ask("GET", "/batches?limit=100"), _Orders).data
        return next((order.id for order in orders if (order.metadata or {}).get("farthing") == tag), None)

    async def look(self, provider_id: str) -> BatchState:
        try:
            order = _read(await self._ask("GET", f"/batches/{provider_id}"), _Order)
        except UpstreamRefused as error:
            if error.status != 404:
                raise
            return BatchState("gone")
        if order.status in _GONE:
            return BatchState("gone")
        if order.status not in _ENDED:
            return BatchState("runs")
        return BatchState("ended", tuple(file for file in (order.output_file_id, order.error_file_id) if file))

    async def fetch(self, file_id: str) -> list[ParkedAnswer]:
        content = await self._ask("GET", f"/files/{file_id}/content")
        return [answer for raw in content.splitlines() if raw.strip() and (answer := _answer(raw)) is not None]

    async def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """The answer's body. Raises the `Upstream` branch."""
        address = self._address
        join = "&" if "?" in path else "?"
        target = f"{address.path}{path}{self._query.replace('?', join, 1)}"
        headers = (*self._auth, ("content-type", kind)) if body else self._auth
        asked = WebRequest(
            method, address.tls, address.host, address.port, target, body, headers, self._clock.monotonic() + _TIMEOUT_S, _MOST_BYTES, private_ok=True
        )
        reply = await self._fetch(asked)
        if not 200 <= reply.status < 300:
            text = reply.body[:300].decode("utf-8", "replace")
            message = f"Service '{self._name}' refused {method} {path.partition('?')[0]} with {reply.status}: {text}"
            raise UpstreamRefused(message, status=reply.status, body=reply.body, content_type=reply.content_type)
        return reply.body


def _read(body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UpstreamBroken(f"A provider's word about a batch cannot be read: {error}.") from error


def _request_line(call: ParkedCall, path: str) -> bytes:
    body = msgspec.Raw(call.body if b"\n" not in call.body else msgspec.json.format(call.body, indent=-1))
    return msgspec.json.encode({"custom_id": f"{_NAME}{call.item}", "method": "POST", "url": path, "body": body})


def _form(lines: bytes) -> bytes:
    head = f'--{_MARK}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head += f'--{_MARK}\r\ncontent-disposition: form-data; name="file"; filename="farthing.jsonl"\r\ncontent-type: application/jsonl\r\n\r\n'
    return head.encode() + lines + f"\r\n--{_MARK}--\r\n".encode()


def _answer(raw: bytes) -> ParkedAnswer | None:
    """`None`: a line about nothing of ours."""
    try:
        line = _line(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UpstreamBroken(f"A line of a provider's answer file cannot be read: {error}.") from error
    item = line.custom_id.removeprefix(_NAME)
    if not line.custom_id.startswith(_NAME) or not item.isdigit():
        return None
    if line.response is None:
        return ParkedAnswer(int(item), "missed")
    good = line.response.status_code == 200
    return ParkedAnswer(int(item), "answered" if good else "missed", line.response.status_code, bytes(line.response.body))
