"""Looks at the pages of the engines every two seconds; what a page said counts for six.

Only services with `metrics_url` are asked, each with a deadline of a second. One that does not answer has no load, and is said once.
Costs: about half a millisecond of CPU a look and service.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import urlsplit

from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.engine import Gpu, Load
from farthing.core.errors import Upstream
from farthing.core.web import WebReply, WebRequest
from farthing.models.engines import figures

_EVERY_S = 2.0
_BELIEVED_S = 6.0
_TIMEOUT_S = 1.0
_MOST_BYTES = 4_194_304
_log = logging.getLogger(__name__)

Fetch = Callable[[WebRequest], Awaitable[WebReply]]
OnLook = Callable[[Mapping[str, Load | None], Iterable[Gpu]], None]


class EngineWatch:
    """The loads of all services that say how they are."""

    def __init__(self, config: Config, fetch: Fetch, clock: Clock, *, gpus: Callable[[], list[Gpu]] = list, on_look: OnLook | None = None) -> None:
        self._fetch = fetch
        self._clock = clock
        self._gpus = gpus
        self._on_look = on_look
        self._seen: dict[str, tuple[float, Load]] = {}
        self._silent: set[str] = set()
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Take the services of another configuration."""
        self._pages = {name: service.metrics_url for name, service in config.services.items() if service.metrics_url}
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._pages}
        self._silent &= self._pages.keys()

    def load(self, service: str) -> Load | None:
        """Of one service, as of at most six seconds ago; `None` where it does not say."""
        seen = self._seen.get(service)
        return seen[1] if seen is not None and self._clock.monotonic() - seen[0] <= _BELIEVED_S else None

    def loads(self) -> dict[str, Load]:
        """Of every service that says."""
        return {name: load for name in self._pages if (load := self.load(name)) is not None}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """One look at every engine, side by side."""
        await asyncio.gather(*(self._look_at(name, url) for name, url in list(self._pages.items())))
        if self._on_look is not None:
            self._on_look({name: self.load(name) for name in self._pages}, self._gpus())

    async def _look_at(self, name: str, url: str) -> None:
        try:
            reply = await self._fetch(_request(url, self._clock.monotonic() + _TIMEOUT_S))
            load = figures.read(reply.body.decode("utf-8", "replace")) if reply.status == 200 else None
            problem = None if load is not None else f"status {reply.status}, no figure with a name that we know"
        except (Upstream, ValueError) as error:
            load, problem = None, str(error)
        if load is None:
            if name not in self._silent:
                _log.warning("services.%s does not say how it is (%s): %s", name, url, problem)
                self._silent.add(name)
            return
        self._silent.discard(name)
        now_s, before = self._clock.monotonic(), self._seen.get(name)
        self._seen[name] = (now_s, figures.with_rates(load, before[1], now_s - before[0]) if before is not None else load)


def _request(url: str, deadline_s: float) -> WebRequest:
    """Raises `ValueError` for what is no address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http address")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebRequest("GET", tls, parts.hostname, parts.port or (443 if tls else 80), target, b"", (), deadline_s, _MOST_BYTES, private_ok=True)
