"""What a kept answer can be forgotten by, and the word that it is to be forgotten.

An answer carries its `Facts`; a `Drop` names some of them. Every lane of the cache, in memory and in the store, decides with `Drop.hits`, so
that what is forgotten is forgotten everywhere. An answer is as old as the request that brought it about: what was on its way when something
was dropped is older than the drop, and does not go in.
"""

from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

Kind = Literal["entry", "document", "source", "collection", "unfounded", "tenant", "endpoint", "prompt", "policy", "tag", "before", "dispute", "all"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MOST_BURIED = 20_000
_BURIED_S = 3600.0
_DISORDER_S = 5.0  # workers hear of each other's drops in the order of their commits, not of their clocks


class Facts(msgspec.Struct, frozen=True):
    """Where an answer comes from and what it rests on."""

    entry_id: str
    tenant: str
    endpoint: str
    created_at: float  # unix time at which its request came
    sources: tuple[str, ...] = ()  # "collection/document@version"
    collection: str | None = None  # that was searched for it
    tags: tuple[str, ...] = ()
    prompt_version: str | None = None
    policy_version: str | None = None


class Drop(msgspec.Struct, frozen=True):
    """What is to be forgotten: all that `kind` and `value` name, of one tenant or (`None`) of everybody, and no younger than `at`.

    `document` "policy" takes every answer that rests on it, "policy@3" those that rest on another version; `source` "policy@3" those that rest
    on just that; `unfounded` those that were looked for in a collection which had nothing; `before` those asked for before a unix time.
    """

    kind: str
    value: str = ""
    tenant: str | None = None
    at: float = float("inf")  # unix time

    def hits(self, facts: Facts) -> bool:
        """True when this answer is to be forgotten."""
        if facts.created_at > self.at or self.tenant not in (None, facts.tenant):
            return False
        match self.kind:
            case "entry" | "dispute":
                return facts.entry_id == self.value
            case "tenant":
                return facts.tenant == self.value
            case "endpoint":
                return facts.endpoint == self.value
            case "before":
                return facts.created_at < float(self.value)
            case "document":
                return self._outdates(facts.sources)
            case "all":
                return True
            case _:
                return f"{self.kind}:{self.value}" in marks(facts)

    def _outdates(self, sources: tuple[str, ...]) -> bool:
        name, version = parted(self.value)
        return any(found == name and (not version or at != version) for found, at in map(parted, sources))


def parted(source: str) -> tuple[str, str]:
    """Document and version of "document@version"; the version is empty where it names none."""
    name, at, version = source.rpartition("@")
    return (name, version) if at else (source, "")


def marks(facts: Facts) -> Iterator[str]:
    """Words under which an answer is found in an index, where scanning for it would be slow. Most answers have none."""
    for source in facts.sources:
        document = parted(source)[0]
        collection, slash, _ = document.partition("/")
        yield f"source:{source}"
        yield f"document:{document}"
        if slash:
            yield f"collection:{collection}"
    if facts.collection is not None:
        yield f"collection:{facts.collection}"
        if not facts.sources:
            yield f"unfounded:{facts.collection}"
    for tag in facts.tags:
        yield f"tag:{tag}"
    if facts.prompt_version is not None:
        yield f"prompt:{facts.prompt_version}"
    if facts.policy_version is not None:
        yield f"policy:{facts.policy_version}"


def index_mark(drop: Drop) -> str | None:
    """The mark under which all that it may name is found; `None`: nothing but a look at every answer finds it."""
    if drop.kind in ("entry", "dispute", "tenant", "endpoint", "before", "all"):
        return None
    return f"document:{parted(drop.value)[0]}" if drop.kind == "document" else f"{drop.kind}:{drop.value}"


def checked(kind: str, value: str, tenant: str | None, now: float) -> Drop:
    """A drop as an operator writes it: `age` counts back from now in seconds. Raises `ValueError` that says what to change."""
    if kind == "age":
        try:
            return Drop("before", repr(now - float(value)), tenant, now)
        except ValueError:
            raise ValueError(f"'{value}' is no age: give seconds, such as 3600.") from None
    if kind not in OPERATORS:
        raise ValueError(f"'{kind}' is nothing that answers are forgotten by. Known: {', '.join(OPERATORS)}.")
    if kind != "all" and not value:
        raise ValueError(f"Say which {kind} to forget.")
    return Drop(kind, value, tenant, now)


OPERATORS = ("entry", "document", "source", "collection", "tenant", "endpoint", "prompt", "policy", "tag", "age", "all")


class Buried:
    """Recent drops, to be asked before an answer goes in: was it on its way when something that it rests on was dropped?"""

    def __init__(self) -> None:
        self._drops: list[Drop] = []  # oldest first
        self._indexed: dict[tuple[str | None, str], float] = {}  # tenant and mark -> when last dropped

    def add(self, drop: Drop) -> None:
        if drop.kind in ("source", "collection", "unfounded", "tag", "prompt", "policy"):
            place = (drop.tenant, f"{drop.kind}:{drop.value}")
            self._indexed[place] = max(drop.at, self._indexed.get(place, 0.0))
        else:
            self._drops.append(drop)
        if len(self._drops) + len(self._indexed) > _MOST_BURIED:
            self._tidy(drop.at)

    def cover(self, facts: Facts) -> bool:
        """True when this answer must not go in."""
        for drop in reversed(self._drops):
            if drop.at < facts.created_at - _DISORDER_S:
                break
            if drop.hits(facts):
                return True
        if not self._indexed:
            return False
        return any(self._indexed.get((tenant, mark), 0.0) >= facts.created_at for mark in marks(facts) for tenant in (None, facts.tenant))

    def _tidy(self, now: float) -> None:
        self._drops = [drop for drop in self._drops if drop.at > now - _BURIED_S][-_MOST_BURIED // 2 :]
        self._indexed = {place: at for place, at in self._indexed.items() if at > now - _BURIED_S}
