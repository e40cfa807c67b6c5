"""Every model service behind one door: what the brain knows as `Models`.

Guarantees: as `guard.py` for each service; a reload keeps the warm connections of services that did not change, lets calls in flight
on the others end, and changes nothing when the new configuration cannot be used.
Costs: 5 us of CPU per call on top of the transport (bench/transport.py).
"""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from farthing.config import Config, Service
from farthing.core.call import Call, Reply
from farthing.core.clock import Clock
from farthing.core.engine import Crowd, Load
from farthing.core.errors import ConfigError, Upstream, UpstreamCrowded, UpstreamUnreachable
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.admission import AdmittedBackend, places_of
from farthing.models.base import Backend
from farthing.models.batch import BatchDesk
from farthing.models.guard import Guard, Sleep
from farthing.models.http import HttpBackend
from farthing.models.requests import key_of
from farthing.models.transport.dial import Resolve, resolve_system

_RETRY_CROWDED_S = 2.0


def _says_nothing(_service: str) -> Load | None:
    return None


class Hub:
    """Guards by service name. `backends` serve what is not HTTP; their names win over rows of the config."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        backends: Mapping[str, Backend] | None = None,
        environ: Mapping[str, str] = os.environ,
        sleep: Sleep = asyncio.sleep,
        resolve: Resolve = resolve_system,
        load: Callable[[str], Load | None] = _says_nothing,
        batches: BatchDesk | None = None,
    ) -> None:
        self._batches = batches  # where calls that may take their time go, if their service has batches
        self._clock = clock
        self._environ = environ
        self._sleep = sleep
        self._resolve = resolve
        self._load = load
        self._resilience = config.resilience
        self._guards: dict[str, Guard] = {}
        self._retired: list[HttpBackend] = []
        self._adopt(config, backends or {})

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:  # not async: one frame less on every call
        """The reply, its head read. Raises the `Upstream` branch."""
        guard = self._guards.get(call.service)
        if guard is None:
            raise UpstreamUnreachable(f"There is no service '{call.service}': it was removed from the configuration.")
        if call.service in self._bounds and self._is_full(call.service):
            text = f"Service '{call.service}' has {self._bounds[call.service]} requests waiting or more (services.{call.service}.max_waiting)."
            raise UpstreamCrowded(text, retry_after_s=_RETRY_CROWDED_S)
        if self._batches is not None and self._batches.takes(call):
            return self._patiently(self._batches, guard, call)
        return guard.send(call)

    async def _patiently(self, batches: BatchDesk, guard: Guard, call: Call) -> Reply:
        return await batches.ask(call) or await guard.send(call)

    def dialects(self, service: str) -> frozenset[Dialect]:
        """What this service speaks natively; empty for an unknown one."""
        guard = self._guards.get(service)
        return guard.backend.dialects() if guard is not None else frozenset()

    def healthy(self, target: Target) -> bool:
        """False while its breaker rests, or is busy with a probe, or too many wait at it."""
        guard = self._guards.get(target.service)
        return guard is not None and guard.breaker.would_admit and not self._is_full(target.service)

    def crowd(self, target: Target) -> float:
        """Requests that wait at its service for each that is at work there; 0 where nobody knows."""
        load, here = self._load(target.service), self._crowd_of(target.service)
        waiting = (load.waiting or 0.0 if load else 0.0) + (here.waiting if here else 0)
        running = max(load.running or 0.0 if load else 0.0, here.in_flight if here else 0, 1.0)
        return waiting / running

    def crowds(self) -> dict[str, Crowd]:
        """Of the services that have a waiting room here."""
        return {name: guard.backend.crowd for name, guard in self._guards.items() if isinstance(guard.backend, AdmittedBackend)}

    def _is_full(self, service: str) -> bool:
        most = self._bounds.get(service)
        if most is None:
            return False
        load, here = self._load(service), self._crowd_of(service)
        return (load.waiting or 0.0 if load else 0.0) + (here.waiting if here else 0) >= most

    def _crowd_of(self, service: str) -> Crowd | None:
        guard = self._guards.get(service)
        return guard.backend.crowd if guard is not None and isinstance(guard.backend, AdmittedBackend) else None

    @property
    def connections(self) -> int:
        """Open or being opened, over all HTTP services."""
        backends = [*(guard.backend for guard in self._guards.values()), *self._retired]
        return sum(backend.connections for backend in backends if isinstance(backend, HttpBackend))

    async def warm(self) -> dict[str, str]:
        """Resolve, connect and shake hands ahead of the first request. Returns what went wrong, by service."""
        problems = await asyncio.gather(*(_warmed(guard.backend) for guard in self._guards.values()))
        return {name: problem for name, problem in zip(self._guards, problems, strict=True) if problem is not None}

    async def reload(self, config: Config, backends: Mapping[str, Backend] | None = None) -> None:
        """Take over another configuration. Raises ConfigError, and then nothing has changed."""
        before = {id(guard.backend): guard.backend for guard in self._guards.values()}
        self._adopt(config, backends or {})
        for guard in self._guards.values():
            before.pop(id(guard.backend), None)
        self._retired = [backend for backend in self._retired if backend.connections]
        for backend in before.values():
            if isinstance(backend, HttpBackend):
                backend.drain()
                self._retired.append(backend)
            else:
                await backend.close()

    async def close(self) -> None:
        """Close every connection; calls in flight end with an error."""
        backends = [*(guard.backend for guard in self._guards.values()), *self._retired]
        await asyncio.gather(*(backend.close() for backend in backends))

    def _adopt(self, config: Config, backends: Mapping[str, Backend]) -> None:
        guards: dict[str, Guard] = {}
        for name, service in config.services.items():
            old = self._guards.get(name)
            backend = backends.get(name) or self._http(name, service, old, config)
            if old is not None and old.backend is backend and config.resilience == self._resilience:
                guards[name] = old
            else:
                guards[name] = Guard(name, backend, config.resilience, clock=self._clock, sleep=self._sleep, draw=random.random)
        self._guards, self._resilience = guards, config.resilience
        self._bounds = {name: service.max_waiting for name, service in config.services.items() if service.max_waiting is not None}

    def _http(self, name: str, service: Service, old: Guard | None, config: Config) -> Backend:
        if service.dialect == "recorded":
            raise ConfigError(f"services.{name} is recorded, but nothing plays it back here. Give it `recordings`.")
        places = places_of(service, config.local, config.server.workers)
        if old is not None and isinstance(old.backend, HttpBackend) and old.backend.serves(service, key_of(service, self._environ), places):
            return old.backend
        if places is not None:
            return AdmittedBackend(name, service, places, clock=self._clock, environ=self._environ, resolve=self._resolve)
        return HttpBackend(name, service, clock=self._clock, environ=self._environ, resolve=self._resolve)


async def _warmed(backend: Backend) -> str | None:
    try:
        await backend.warm()
    except Upstream as problem:
        return problem.message
    return None
