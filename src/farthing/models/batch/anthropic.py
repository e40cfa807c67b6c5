"""The Message Batches API of Anthropic: one order with every call in it, one file of results.

An order carries no words of ours, so each call's `custom_id` begins with the batch's tag: by that an order is known again that nobody heard back of,
once it has ended. Results are read from the service's own address, whatever `results_url` says.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.parked import ParkedAnswer, ParkedCall, ProviderBatch
from farthing.models.batch.base import BatchState
from farthing.models.batch.door import Door, read
from farthing.wire.broken import STATUSES

_PATH = "/messages/batches"
_CLOCKS_DIFFER_S = 300.0


class _Order(msgspec.Struct):
    id: str
    processing_status: str  # in_progress, canceling, ended
    created_at: str = ""


class _Orders(msgspec.Struct):
    data: list[_Order]


class _Kind(msgspec.Struct):
    type: str = ""


class _Error(msgspec.Struct):
    error: _Kind = msgspec.field(default_factory=_Kind)


class _Result(msgspec.Struct):
    type: str  # succeeded, errored, canceled, expired
    message: msgspec.Raw = msgspec.Raw()  # empty where there is none
    error: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


_line = msgspec.json.Decoder(_Line).decode


class AnthropicBatches:
    """Fulfils `Provider` for one row of `[services]`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def submit(self, tag: str, path: str, calls: Sequence[ParkedCall]) -> str:
        del path  # batches hold messages and nothing else
        requests = [{"custom_id": f"{tag}-{call.item}", "params": msgspec.Raw(call.body)} for call in calls]
        return read(await self._door.ask("POST", _PATH, msgspec.json.encode({"requests": requests})), _Order).id

    async def find(self, batch: ProviderBatch) -> str | None:
        """Raises `UpstreamBroken` while one that may be it still runs: what is in it is told when it has ended."""
        orders = read(await self._door.ask("GET", f"{_PATH}?limit=100"), _Orders).data
        since = [order for order in orders if _seconds(order.created_at) >= batch.created_at - _CLOCKS_DIFFER_S]
        for order in since:
            if order.processing_status == "ended" and _tag_of(await self._results(order.id)) == batch.tag:
                return order.id
        if running := next((order.id for order in since if order.processing_status != "ended"), None):
            raise UpstreamBroken(f"it may be {running}, which has not ended")
        return None

    async def look(self, provider_id: str) -> BatchState:
        try:
            order = read(await self._door.ask("GET", f"{_PATH}/{provider_id}"), _Order)
        except UpstreamRefused as error:
            if error.status != 404:
                raise
            return BatchState("gone")
        return BatchState("ended", (provider_id,)) if order.processing_status == "ended" else BatchState("runs")

    async def fetch(self, file_id: str) -> list[ParkedAnswer]:
        return [answer for line in await self._results(file_id) if (answer := _answer(line)) is not None]

    async def cancel(self, provider_id: str) -> None:
        await self._door.ask("POST", f"{_PATH}/{provider_id}/cancel")

    async def _results(self, provider_id: str) -> list[_Line]:
        content = await self._door.ask("GET", f"{_PATH}/{provider_id}/results")
        try:
            return [_line(raw) for raw in content.splitlines() if raw.strip()]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UpstreamBroken(f"A line of a provider's results cannot be read: {error}.") from error


def _tag_of(lines: Sequence[_Line]) -> str:
    return lines[0].custom_id.rpartition("-")[0] if lines else ""


def _answer(line: _Line) -> ParkedAnswer | None:
    """`None`: a line about nothing of ours."""
    tag, _, item = line.custom_id.rpartition("-")
    if not tag or not item.isdigit():
        return None
    result = line.result
    if result.type == "succeeded" and bytes(result.message):
        return ParkedAnswer(int(item), "answered", 200, bytes(result.message))
    if result.type == "errored" and bytes(result.error):
        return ParkedAnswer(int(item), "missed", _status_of(result.error), bytes(result.error))
    return ParkedAnswer(int(item), "missed")


def _status_of(error: msgspec.Raw) -> int:
    """The status that the call itself would have had; 500 where that is not known."""
    try:
        return STATUSES.get(msgspec.json.decode(error, type=_Error).error.type, 500)
    except msgspec.MsgspecError:
        return 500


def _seconds(moment: str) -> float:
    """Unix time; what cannot be read is now, so that it is looked at."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return float("inf")
