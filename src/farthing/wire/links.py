"""A request as the chain of pieces that a provider's prompt cache sees: what is said to every request first, then message by message.

Guarantees: two bodies share their first n links only where tools, system prompt and the first messages are the same bytes; clients write the same
messages the same way from turn to turn. Pure.
Costs: bench/prefix.py.
"""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from farthing.core.request import Dialect

_HEADS: dict[Dialect, tuple[str, ...]] = {
    Dialect.CHAT: ("tools", "functions", "response_format"),
    Dialect.MESSAGES: ("tools", "system"),
    Dialect.RESPONSES: ("tools", "instructions", "text"),
}
_SYSTEM = ("system", "developer")
_NOTHING = msgspec.Raw(b"null")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class _Item(msgspec.Struct, gc=False):
    role: str | None = None


_ROLE = msgspec.json.Decoder(_Item)


class Link(msgspec.Struct, frozen=True, gc=False):
    """One place at which a prefix may end: a digest of all up to there, and how many bytes that is."""

    digest: bytes
    size: int


class Chain(msgspec.Struct, frozen=True, gc=False):
    """`links[0]` ends what every request of its kind begins with: tools and system prompt. Each further one ends a message."""

    links: tuple[Link, ...]

    @property
    def head(self) -> Link:
        return self.links[0]


def chain(dialect: Dialect, body: bytes) -> Chain | None:
    """The links of a request; `None` for a dialect without messages, or a body that is not as its dialect says."""
    if dialect not in _HEADS:
        return None
    fields = _FIELDS.decode(body)
    items = _items(fields, "input" if dialect is Dialect.RESPONSES else "messages")
    if not items:
        return None
    own = next((place for place, item in enumerate(items) if not _is_system(item)), len(items))
    head = b",".join(bytes(fields.get(name, _NOTHING)) for name in _HEADS[dialect])
    return Chain(tuple(_linked([b",".join((head, *map(bytes, items[:own]))), *map(bytes, items[own:])])))


def _items(fields: Mapping[str, msgspec.Raw], name: str) -> list[msgspec.Raw]:
    said = fields.get(name, _NOTHING)
    if bytes(memoryview(said)[:1]) == b'"':
        return [said]
    try:
        return _ITEMS.decode(said)
    except msgspec.ValidationError:
        return []


def _linked(pieces: list[bytes]) -> list[Link]:
    digest, size, links = b"", 0, list[Link]()
    for piece in pieces:
        digest = blake2b(digest + piece, digest_size=16).digest()
        size += len(piece)
        links.append(Link(digest, size))
    return links


def _is_system(item: msgspec.Raw) -> bool:
    try:
        return _ROLE.decode(item).role in _SYSTEM
    except msgspec.ValidationError:
        return False
