"""Documents for admins over HTTP: what `farthing docs` does, by the same code.

    GET    /admin/documents?tenant=acme[&collection=faq]    collections, or the documents of one
    POST   /admin/documents            {"collection", "tenant", "documents": [{"name", "text" | "base64"}], "urls": []}
    DELETE /admin/documents            {"collection", "tenant", "names": [] | "all": true}
    POST   /admin/documents/search     {"collection", "tenant", "question", "budget_tokens", "model"}
    POST   /admin/documents/reindex    {"collection", "tenant"}

A document that cannot be used is among the `problems` of the answer, and the rest is taken in. Addresses must be of `retrieve.url_hosts`.
"""

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from farthing.core.errors import ConfigError, InvalidRequest, Unavailable
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.replies import send_json
from farthing.lab.ingest.files import given

if TYPE_CHECKING:
    from farthing.lab.ingest.librarian import Librarian
    from farthing.lab.ingest.thread import LibrarianThread

_MOST_BYTES = 64 << 20
Asked = TypeVar("Asked", bound="_Named")


class _Named(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    collection: str
    tenant: str = "default"


class _Brought(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    text: str | None = None
    base64: str | None = None

    def blob(self) -> bytes:
        if (self.text is None) == (self.base64 is None):
            raise InvalidRequest(f"Document '{self.name[:100]}' needs either 'text' or 'base64'.", param="documents")
        if self.base64 is None:
            return (self.text or "").encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.base64, validate=True)
        except binascii.Error as error:
            raise InvalidRequest(f"'base64' of document '{self.name[:100]}' is none: {error}.", param="documents") from None


class _Add(_Named):
    documents: list[_Brought] = []
    urls: list[str] = []


class _Remove(_Named):
    names: list[str] | None = None
    all: bool = False


class _Search(_Named):
    question: str
    budget_tokens: int | None = None
    model: str = "gpt-4o"


async def listed(gateway: Gateway, _principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    asked = {name: values[-1] for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}
    tenant, collection = asked.get("tenant"), asked.get("collection")
    found = await _librarian(gateway).run(
        lambda librarian: librarian.collections(tenant) if collection is None else librarian.listed(tenant or "default", collection)
    )
    await send_json(send, 200, {"data": [_shown(one) for one in found]})


async def add(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    asked = await _read(scope, receive, _Add)
    if not asked.documents and not asked.urls:
        raise InvalidRequest("Bring 'documents' or 'urls'.", param="documents")
    brought = [(one.name, one.blob()) for one in asked.documents]
    most = int(gateway.house.config.retrieve.max_file_mb * 1e6)
    wanted = [given(name, blob, most_bytes=most) for name, blob in brought]
    await _told(send, gateway, lambda librarian: librarian.add(asked.tenant, asked.collection, wanted, asked.urls))


async def remove(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    asked = await _read(scope, receive, _Remove)
    if bool(asked.names) == asked.all:
        raise InvalidRequest("Name documents in 'names', or say \"all\": true.", param="names")
    names = None if asked.all else asked.names
    gone = await _librarian(gateway).run(lambda librarian: librarian.remove(asked.tenant, asked.collection, names))
    await send_json(send, 200, {"removed": gone})


async def search(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """What would be sent for a question."""
    asked, tokens = await _read(scope, receive, _Search), gateway.house.tokens
    await _told(
        send,
        gateway,
        lambda librarian: librarian.search(
            asked.tenant, asked.collection, asked.question, tokens=tokens, budget_tokens=asked.budget_tokens, model=asked.model
        ),
    )


async def reindex(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Embed anew what is stored."""
    asked = await _read(scope, receive, _Named)
    await _told(send, gateway, lambda librarian: librarian.reindex(asked.tenant, asked.collection))


async def _told(send: Send, gateway: Gateway, errand: "Callable[[Librarian], Any]") -> None:
    try:
        found = await _librarian(gateway).run(errand)
    except ConfigError as error:  # of the collection, which the caller named
        error.status = 409
        raise
    await send_json(send, 200, _shown(found))


def _librarian(gateway: Gateway) -> "LibrarianThread":
    if gateway.documents is None:
        raise Unavailable("This gateway keeps no documents.")
    return gateway.documents


async def _read(scope: Scope, receive: Receive, kind: type[Asked]) -> Asked:
    body = await read_body(receive, headers_of(scope), _MOST_BYTES)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The body does not fit: {error}. docs/levers/retrieve.md shows what is expected.") from error


def _shown(found: Any) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in msgspec.structs.asdict(found).items()}
