"""Answers beyond one process: written behind, loaded at start, shared between workers.

A worker among others shares an answer at once. A lone worker writes it when it is first reused, or when it stops: most answers are
never asked for again, and writing each of them costs a third of the ledger's own work (14 KB of log a request against 5).
What is to be forgotten travels the same way: it is durable first, and every worker applies it at its next look (a fifth of a second).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from farthing.brain.cache.base import Answer, Origin
from farthing.brain.cache.lever import CacheLever
from farthing.core.exchange import Signals
from farthing.core.forgetting import Drop, Facts
from farthing.core.request import Dialect
from farthing.core.usage import Usage

log = logging.getLogger("farthing.cache")

Cursor = tuple[int, int]
_MOST_KEPT = 100_000
_SHELF_BUSY_S = 0.002


class AnswerMeta(msgspec.Struct, frozen=True):
    """What the store keeps beside an answer's bytes."""

    dialect: Dialect
    stream: bool
    service: str
    model: str
    tier: str
    usage: Usage | None
    cost_usd: Decimal | None
    finish: str | None
    signals: Signals | None = None
    sources: tuple[str, ...] = ()
    origin: Origin = Origin()


class Stored(Protocol):
    """One answer as the store gives it."""

    @property
    def key(self) -> bytes: ...
    @property
    def tenant(self) -> str: ...
    @property
    def entry_id(self) -> str: ...
    @property
    def created_at(self) -> float: ...
    @property
    def expires_at(self) -> float: ...
    @property
    def body(self) -> bytes: ...
    @property
    def meta(self) -> bytes: ...


class News(Protocol):
    """What was to be forgotten, then additions, since a cursor."""

    @property
    def dropped(self) -> Sequence[Drop]: ...
    @property
    def added(self) -> Sequence[Stored]: ...
    @property
    def cursor(self) -> Cursor: ...


class Shelf(Protocol):
    """Where answers outlive a worker."""

    def cursor(self) -> Cursor: ...
    def load(self, limit_bytes: int) -> Sequence[Stored]: ...
    def since(self, cursor: Cursor) -> News: ...
    def keep(self, key: bytes, facts: Facts, expires_at: float, meta: bytes, body: bytes) -> bool: ...


_encode_meta = msgspec.json.Encoder().encode
_decode_meta = msgspec.json.Decoder(AnswerMeta).decode


def meta_of(answer: Answer) -> bytes:
    """All of an answer but its bytes, its id and its times."""
    meta = AnswerMeta(
        answer.dialect,
        answer.stream,
        answer.service,
        answer.model,
        answer.tier,
        answer.usage,
        answer.cost_usd,
        answer.finish,
        answer.signals,
        answer.sources,
        answer.origin,
    )
    return _encode_meta(meta)


def answer_of(stored: Stored) -> Answer | None:
    """`None` for a row that cannot be read: another version wrote it, or the disk did."""
    try:
        meta = _decode_meta(stored.meta)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Answer(
        meta.dialect,
        meta.stream,
        stored.body,
        meta.service,
        meta.model,
        meta.tier,
        meta.usage,
        meta.cost_usd,
        meta.finish,
        stored.entry_id,
        stored.created_at,
        stored.expires_at,
        meta.signals,
        meta.sources,
        meta.origin,
    )


class AnswerSync:
    """Keeps the memory of one worker in step with the shelf. `lone`: no other worker serves, so answers wait until they are reused."""

    def __init__(self, shelf: Shelf, cache: Callable[[], CacheLever], *, lone: bool) -> None:
        self._shelf = shelf
        self._cache = cache
        self._lone = lone
        self._cursor: Cursor = (0, 0)
        self._kept: set[bytes] = set()  # keys that are on the shelf, as far as we know
        self.unreadable = 0

    def load(self) -> None:
        """Warm the memory from the shelf."""
        self._cursor = self._shelf.cursor()
        for stored in self._shelf.load(int(self._cache().config.max_mb * 1_048_576)):
            self._take(stored)
            self._kept.add(stored.key)
        if self.unreadable:
            log.warning("%d kept answers cannot be read and were left out", self.unreadable)

    def fresh(self, key: bytes, tenant: str, answer: Answer) -> None:
        """An answer has come."""
        if not self._lone:
            self._keep(key, tenant, answer)
        else:
            self._kept.discard(key)  # what is on the shelf is an older one

    def reused(self, key: bytes, tenant: str, answer: Answer) -> None:
        """An answer was served again."""
        if self._lone and key not in self._kept:
            self._keep(key, tenant, answer)

    async def keep_rest(self, within_s: float) -> None:
        """Before a stop: write what is in memory only, the newest first, as far as the time goes."""
        give_up_s = time.monotonic() + within_s
        for key, tenant, answer in self._cache().entries.newest_first() if self._lone else ():
            while key not in self._kept and time.monotonic() < give_up_s and not self._keep(key, tenant, answer):
                await asyncio.sleep(_SHELF_BUSY_S)

    def _keep(self, key: bytes, tenant: str, answer: Answer) -> bool:
        """Write behind; under load the shelf may decline, and the answer lives in this worker only."""
        kept = self._shelf.keep(key, answer.facts(tenant), answer.expires_at, meta_of(answer), answer.body)
        if kept and self._lone:
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
            self._kept.add(key)
        return kept

    def catch_up(self) -> None:
        """Apply what anybody dropped or added since the last look; of drops all, however many."""
        while True:
            news = self._shelf.since(self._cursor)
            self._cursor = news.cursor
            entries = self._cache().entries
            for drop in news.dropped:
                self.drop(drop)
            for stored in news.added:
                known = entries.peek(stored.key)
                if known is None or known.created_at < stored.created_at:
                    self._take(stored)
            if not news.dropped:
                return

    def drop(self, what: Drop) -> int:
        """Forget in this worker, and let nobody board a call that is on its way; how many answers that were."""
        cache = self._cache()
        cache.flights.close_doors()
        gone = cache.entries.drop(what)
        if gone and self._lone:
            self._kept.intersection_update(cache.entries)
        return gone

    def _take(self, stored: Stored) -> None:
        answer = answer_of(stored)
        if answer is None:
            self.unreadable += 1
        else:
            self._cache().entries.put(stored.key, answer, stored.tenant)
