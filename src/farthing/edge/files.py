"""/v1/files: files for batches, as OpenAI's SDKs bring and fetch them. A file is its tenant's; another's is as unknown as one that never was."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from farthing.brain.batch.ports import Shelf
from farthing.core.batch import StoredFile
from farthing.core.errors import BodyTooLarge, FarthingError, InvalidRequest, NotFound, Unavailable
from farthing.core.ids import new_id
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import ClientLeft, headers_of, tenant_of
from farthing.edge.multipart import Form, PartBegins, PartData, boundary_of
from farthing.edge.replies import send_json
from farthing.wire.batch_lines import answer_line

ONE = "/v1/files/"
_PART_BYTES = 262_144
_FIELD_BYTES = 4096
_MOST_LISTED = 10_000
_MB = 1_048_576
_FORM_BYTES = 65_536  # what a form may hold besides its file
_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")
_NAME_CHARS = 200


def jobs_of(gateway: Gateway) -> Shelf:
    """Raises `Unavailable` where batches are switched off."""
    if gateway.jobs is None or not gateway.house.config.batch.enabled:
        raise Unavailable("This gateway takes no batches (`batch.enabled`).")
    return gateway.jobs


def owned_file(gateway: Gateway, tenant: str, file_id: str) -> StoredFile:
    """A file of this tenant that has not expired. Raises `NotFound`."""
    file = jobs_of(gateway).file(file_id)
    if file is None or file.tenant != tenant or (file.expires_at is not None and file.expires_at <= gateway.clock.now()):
        raise NotFound(f"There is no file '{file_id[:80]}'. GET /v1/files lists those of this key's tenant.", param="file_id")
    return file


async def upload(gateway: Gateway, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """POST /v1/files. The content goes to the store as it comes: a large file takes no memory here."""
    jobs, headers, config = jobs_of(gateway), headers_of(scope), gateway.house.config.batch
    tenant, now = tenant_of(headers, principal), gateway.clock.now()
    boundary = boundary_of(headers.get(b"content-type", b"").decode("latin-1"))
    limit = int(config.max_file_mb * _MB)
    if int(headers.get(b"content-length", b"0")) > limit + _FORM_BYTES:
        raise _too_large(config.max_file_mb)
    used = jobs.stored_bytes(tenant)
    if used >= config.tenant_mb * _MB:
        raise InvalidRequest(f"The files of tenant '{tenant}' take {used / _MB:.0f} MB, and {config.tenant_mb:.0f} are allowed. Delete some.")
    file = StoredFile(new_id("file", now), tenant, principal.key_id, "file.jsonl", "batch", 0, now, now + config.keep_s)
    await jobs.begin_file(file)
    try:
        taken = _Upload(jobs, file.id, Form(boundary), config.max_file_mb)
        async for piece in _pieces(receive, limit + _FORM_BYTES, config.max_file_mb):
            await taken.feed(piece)
        file = taken.finished(file, now)
        await jobs.end_file(file)
    except (FarthingError, ClientLeft):
        await jobs.delete_file(file)
        raise
    await send_json(send, 200, shown_file(file))


class _Upload:
    """Takes the form apart: fields into memory, the file into the store."""

    def __init__(self, jobs: Shelf, file_id: str, form: Form, limit_mb: float) -> None:
        self._jobs, self._file_id, self._form, self._limit_mb = jobs, file_id, form, limit_mb
        self._part: PartBegins | None = None
        self._fields: dict[str, bytes] = {}
        self._waiting = bytearray()
        self._size = 0
        self._name: str | None = None

    async def feed(self, data: bytes) -> None:
        for event in self._form.feed(data):
            if isinstance(event, PartBegins):
                self._begin(event)
            elif isinstance(event, PartData):
                await self._take(event.data)
            else:
                await self._flush()
                self._part = None

    def _begin(self, part: PartBegins) -> None:
        if part.name == "file" and self._name is not None:
            raise InvalidRequest("The form has two files. Send one.", param="file")
        self._part = part
        if part.name == "file":
            self._name = _NAME.sub("_", part.filename or "file.jsonl")[:_NAME_CHARS]
        else:
            self._fields[part.name] = b""

    async def _take(self, data: bytes) -> None:
        assert self._part is not None
        if self._part.name != "file":
            self._fields[self._part.name] += data
            if len(self._fields[self._part.name]) > _FIELD_BYTES:
                raise InvalidRequest(f"The field '{self._part.name[:40]}' is larger than {_FIELD_BYTES} bytes.", param=self._part.name[:40])
            return
        self._size += len(data)
        if self._size > self._limit_mb * _MB:
            raise _too_large(self._limit_mb)
        self._waiting += data
        if len(self._waiting) >= _PART_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if self._waiting:
            await self._jobs.add_part(self._file_id, bytes(self._waiting))
            self._waiting.clear()

    def finished(self, file: StoredFile, now: float) -> StoredFile:
        """The file as it came. Raises `InvalidRequest` for a form that is not whole."""
        if not self._form.ended:
            raise InvalidRequest("The form ends before its closing boundary. Send it whole.")
        if self._name is None:
            raise InvalidRequest("The form has no file. Send it in the field 'file'.", param="file")
        purpose = self._fields.get("purpose", b"").decode("utf-8", "replace")
        if purpose != "batch":
            raise InvalidRequest(f"The purpose is '{purpose[:40]}'; files are kept here for 'batch' alone.", param="purpose")
        keep_s = expiry_s(self._fields.get("expires_after[seconds]"), (file.expires_at or now) - now)
        return msgspec.structs.replace(file, name=self._name, bytes=self._size, expires_at=now + keep_s)


def expiry_s(said: bytes | None, longest_s: float) -> float:
    """What a caller may say of how long a file lives: an hour at least, no longer than everybody's."""
    if said is None:
        return longest_s
    if not said.isdigit() or int(said) < 3600:
        raise InvalidRequest("expires_after.seconds must be a whole number, 3600 at least.", param="expires_after")
    return min(float(int(said)), longest_s)


async def _pieces(receive: Receive, limit: int, limit_mb: float) -> AsyncIterator[bytes]:
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit_mb)
        yield piece
        if not message.get("more_body"):
            return


def _too_large(limit_mb: float) -> BodyTooLarge:
    return BodyTooLarge(f"The file is larger than {limit_mb:g} MB. Split it, or raise `batch.max_file_mb`.")


async def listed(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """GET /v1/files."""
    jobs, tenant, asked = jobs_of(gateway), tenant_of(headers_of(scope), principal), query_of(scope)
    limit = limit_of(asked, _MOST_LISTED, _MOST_LISTED)
    after = owned_file(gateway, tenant, asked["after"]) if "after" in asked else None
    found = jobs.files(tenant, purpose=asked.get("purpose"), after=after, limit=limit + 1, oldest_first=asked.get("order") == "asc")
    await send_json(send, 200, page_of([shown_file(file) for file in found], limit))


async def one(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """GET /v1/files/ID and /v1/files/ID/content."""
    file_id, slash, what = scope["path"].removeprefix(ONE).partition("/")
    file = owned_file(gateway, tenant_of(headers_of(scope), principal), file_id)
    if not slash:
        await send_json(send, 200, shown_file(file))
    elif what == "content":
        await _send_content(jobs_of(gateway), file, send)
    else:
        raise NotFound(f"There is no route {scope['path'][:200]}.")


async def _send_content(jobs: Shelf, file: StoredFile, send: Send) -> None:
    head = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % file.bytes)]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    waiting = bytearray()
    pieces = jobs.parts(file.id) if file.batch is None or file.part is None else map(answer_line, jobs.lines(file.batch, file.part))
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _PART_BYTES:
            await send({"type": "http.response.body", "body": bytes(waiting), "more_body": True})
            waiting.clear()
    await send({"type": "http.response.body", "body": bytes(waiting)})


async def delete(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """DELETE /v1/files/ID. Of an answer file the answers go with it."""
    jobs = jobs_of(gateway)
    file = owned_file(gateway, tenant_of(headers_of(scope), principal), scope["path"].removeprefix(ONE))
    if jobs.is_being_read(file.id):
        raise InvalidRequest("A batch is reading this file. Cancel the batch, or wait until it is in progress.", param="file_id")
    await jobs.delete_file(file)
    await send_json(send, 200, {"id": file.id, "object": "file", "deleted": True})


def shown_file(file: StoredFile) -> dict[str, Any]:
    """In OpenAI's form."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "expires_at": None if file.expires_at is None else int(file.expires_at),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def query_of(scope: Scope) -> Mapping[str, str]:
    return {name: values[-1] for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}


def limit_of(asked: Mapping[str, str], default: int, most: int) -> int:
    said = asked.get("limit", str(default))
    if not said.isdigit() or not 1 <= int(said) <= most:
        raise InvalidRequest(f"limit must be a whole number from 1 to {most}.", param="limit")
    return int(said)


def page_of(shown: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A list of one more than asked for says that there is more."""
    more, shown = len(shown) > limit, shown[:limit]
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return {"object": "list", "data": shown, **ends, "has_more": more}
