"""The batch API of OpenAI, and of those who copied it: a JSONL file, an order, two files of answers."""

from collections.abc import Sequence

import msgspec

from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.parked import ParkedAnswer, ParkedCall, ProviderBatch
from farthing.models.batch.base import BatchState
from farthing.models.batch.door import Door, read

_MARK = "farthing-batch-boundary-51c7"
_ENDED = frozenset({"completed", "expired", "cancelled"})
_GONE = frozenset({"failed"})
_NAME = "farthing-"


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

    def __init__(self, door: Door) -> None:
        self._door = door

    async def submit(self, tag: str, path: str, calls: Sequence[ParkedCall]) -> str:
        """Upload, then order. The tag is in the order's metadata, by which `find` knows it again."""
        lines = b"\n".join(_request_line(call, path) for call in calls)
        kind = f"multipart/form-data; boundary={_MARK}"
        file = read(await self._door.ask("POST", "/files", _form(lines), kind), _Id)
        order = {"input_file_id": file.id, "endpoint": path, "completion_window": "24h", "metadata": {"farthing": tag}}
        return read(await self._door.ask("POST", "/batches", msgspec.json.encode(order)), _Order).id

    async def find(self, batch: ProviderBatch) -> str | None:
        orders = read(await self._door.ask("GET", "/batches?limit=100"), _Orders).data
        return next((order.id for order in orders if (order.metadata or {}).get("farthing") == batch.tag), None)

    async def look(self, provider_id: str) -> BatchState:
        try:
            order = read(await self._door.ask("GET", f"/batches/{provider_id}"), _Order)
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
        content = await self._door.ask("GET", f"/files/{file_id}/content")
        return [answer for raw in content.splitlines() if raw.strip() and (answer := _answer(raw)) is not None]

    async def cancel(self, provider_id: str) -> None:
        await self._door.ask("POST", f"/batches/{provider_id}/cancel")


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
