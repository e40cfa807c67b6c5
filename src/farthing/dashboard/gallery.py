"""The site, off the event loop: one thread, one connection, so that no look at the figures holds up a request."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import msgspec

from farthing.brain.row import tenant_on_record
from farthing.config import Config
from farthing.core.engine import Load
from farthing.core.request import KeyLimits
from farthing.dashboard.facts import Facts, KeyFacts
from farthing.dashboard.panel import Panel
from farthing.dashboard.site import Site
from farthing.dashboard.view import View

_T = TypeVar("_T")


class KnownKey(Protocol):
    """A virtual key without its secret."""

    @property
    def key_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def limits(self) -> KeyLimits: ...


class Gallery:
    """Answers the edge. Close it before the book, whose connection it reads with."""

    def __init__(
        self, connection: sqlite3.Connection, list_keys: Callable[[], Iterable[KnownKey]], loads: Callable[[], Mapping[str, Load]] = dict
    ) -> None:
        self._site = Site(connection)
        self._list_keys = list_keys
        self._loads = loads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="farthing-dashboard")

    def close(self) -> None:
        """Returns when nobody reads any more."""
        self._thread.shutdown()

    async def panel(self, name: str, view: View, config: Config) -> Panel:
        """Raises `NotFound`."""
        facts = self._facts(config) if name == "budgets" else Facts(config)
        if name == "backends":
            facts = msgspec.structs.replace(facts, loads=self._loads())
        return await self._run(lambda: self._site.panel(name, view, facts))

    async def request(self, request_id: str, config: Config, *, tenant: str | None, texts: bool) -> Panel:
        """Raises `NotFound`."""

        def on_record(name: str) -> str:
            return self.tenant_on_record(name, config)

        store, now = config.store.path, time.time()
        return await self._run(lambda: self._site.request(request_id, tenant=tenant, texts=texts, store=store, now=now, on_record=on_record))

    async def outline(self, view: View, *, only_tenant: str | None) -> dict[str, Any]:
        return await self._run(lambda: self._site.outline(view, only_tenant=only_tenant))

    @staticmethod
    def tenant_on_record(tenant: str, config: Config) -> str:
        return tenant_on_record(tenant, hashed=config.store.hash_tenants)

    def _facts(self, config: Config) -> Facts:
        keys = {key.key_id: KeyFacts(key.name, self.tenant_on_record(key.tenant, config), key.limits) for key in self._list_keys()}
        return Facts(config, keys, lambda tenant: self.tenant_on_record(tenant, config))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
