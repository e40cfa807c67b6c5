"""Everything that the dashboard can show, by name: what the edge asks for."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from farthing.core.errors import NotFound
from farthing.dashboard import entry, request
from farthing.dashboard.facts import Facts
from farthing.dashboard.panel import Panel
from farthing.dashboard.panels import account, backends, batches, budgets, cost, entries, errors, notable, quality, reuse, routing, speed, tokens
from farthing.dashboard.queries import Reader, choices
from farthing.dashboard.view import View
from farthing.page.page import STATIC as PAGE_STATIC
from farthing.stores.sqlite.rollups import behind

_STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_OF_PAGES = ("echarts.js", "charts.js", "theme.css")

# In the order in which they are shown.
PANELS: Mapping[str, Callable[[Reader, Facts], Panel]] = {
    "account": lambda reader, _: account.panel(reader),
    "quality": lambda reader, _: quality.panel(reader),
    "cost": lambda reader, _: cost.panel(reader),
    "money": lambda reader, _: cost.money(reader),
    "speed": lambda reader, _: speed.panel(reader),
    "split": lambda reader, _: speed.split(reader),
    "tokens": lambda reader, _: tokens.panel(reader),
    "cache": lambda reader, _: reuse.panel(reader),
    "entries": lambda reader, _: entries.panel(reader),
    "routing": lambda reader, facts: routing.panel(reader, facts.thresholds()),
    "budgets": budgets.panel,
    "errors": lambda reader, _: errors.panel(reader),
    "batches": batches.panel,
    "backends": lambda reader, facts: backends.panel(reader, facts),
    "notable": lambda reader, _: notable.panel(reader),
}


class Site:
    """Panels, requests and static files over one connection; use it in one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def panel(self, name: str, view: View, facts: Facts) -> Panel:
        """Raises `NotFound`."""
        make = PANELS.get(name)
        if make is None:
            raise NotFound(f"There is no panel '{name[:40]}'. There are {', '.join(PANELS)}.")
        self._connection.execute("BEGIN")
        try:
            return make(Reader(self._connection, view), facts)
        finally:
            self._connection.execute("ROLLBACK")

    def request(self, request_id: str, *, tenant: str | None, texts: bool, store: str, now: float, on_record: Callable[[str], str]) -> Panel:
        """Of a request, or of an entry of the cache, by its id; `on_record` is a tenant's name in the ledger. Raises `NotFound`."""
        if request_id.startswith(entry.PREFIX):
            return entry.panel(self._connection, request_id, now, tenant=tenant, on_record=on_record, texts=texts)
        return request.panel(self._connection, request.find(self._connection, request_id, tenant=tenant, texts=texts), store=store)

    def outline(self, view: View, *, only_tenant: str | None) -> dict[str, Any]:
        """What can be chosen, and how fresh the figures are."""
        found = choices(self._connection)
        if only_tenant is not None:
            mine = {endpoint for endpoint, _ in Reader(self._connection, view).sums(("endpoint",), ("requests",))}
            found |= {"tenant": [only_tenant], "endpoint": [name for name in found["endpoint"] if name in mine]}
        window = {"since": view.since, "until": view.until, "step_s": view.step, "level_s": view.level}
        return {"panels": list(PANELS), "choices": found, "window": window, "behind": behind(self._connection), "now": view.now}


@cache
def static(name: str) -> tuple[bytes, bytes] | None:
    """Body and content type of a file of the page; only names that are listed here or lie in our folder lead anywhere."""
    found = {path.name: path for path in _STATIC.iterdir()} | {name: PAGE_STATIC / name for name in _OF_PAGES}
    path = found.get(name)
    return None if path is None else (path.read_bytes(), _TYPES[path.suffix])
