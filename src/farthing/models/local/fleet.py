"""Every engine of the configuration on this machine: checked before anything is loaded, started one after the other, kept until told to stop.

Guarantees: models, engines, memory and ports are looked at first, and each mistake is one error that says what to change; then nothing has been
started. One that cannot be brought to answer stops them all, so that what is up is what was asked for.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.config import Local
from farthing.core.clock import Clock
from farthing.models.local.errors import ModelUnusable, PortTaken
from farthing.models.local.memory import estimate, refuse_shortage, shape_of
from farthing.models.local.rows import Engine, choose
from farthing.models.local.supervise import Supervised, Tell


@dataclass(frozen=True, slots=True)
class Planned:
    """One model that can be started."""

    name: str
    local: Local
    engine: Engine
    memory_bytes: int


def plan(rows: Mapping[str, Local], free_bytes: int) -> list[Planned]:
    """What would be started, in the file's order. Raises the `EngineError` branch."""
    made = [_planned(name, local) for name, local in rows.items()]
    refuse_shortage({one.name: one.memory_bytes for one in made}, free_bytes)
    for one in made:
        refuse_taken(one.name, one.local.port)
    return made


def refuse_taken(name: str, port: int) -> None:
    """Raises `PortTaken` when something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            text = f"Port {port} of '{name}' cannot be had: {fault.strerror}."
            raise PortTaken(f"{text} Stop what listens there (ss -ltnp 'sport = :{port}'), or change local.{name}.port.") from fault


class Fleet:
    """The engines, running."""

    def __init__(self, planned: Sequence[Planned], *, clock: Clock, tell: Tell) -> None:
        self.engines = [Supervised(one.name, one.local, one.engine, clock=clock, tell=tell) for one in planned]
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Drain and stop; `run` returns."""
        self._stop.set()

    async def run(self) -> None:
        """Start one after the other and keep them. Raises `EngineFailed`, when all are stopped."""
        kept: list[asyncio.Task[None]] = []
        stopped = asyncio.create_task(self._stop.wait())
        try:
            for engine in self.engines:
                kept.append(asyncio.create_task(engine.keep()))
                up = asyncio.create_task(engine.up.wait())
                await asyncio.wait([up, stopped, *kept], return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
                if stopped.done() or any(task.done() for task in kept):
                    break
            await asyncio.wait([stopped, *kept], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            await asyncio.gather(*(engine.stop() for engine in self.engines))
            for task in kept:
                task.cancel() if not task.done() else None
            ended = await asyncio.gather(*kept, return_exceptions=True)
            with contextlib.suppress(asyncio.CancelledError):
                await stopped
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault


def _planned(name: str, local: Local) -> Planned:
    engine = choose(local)
    for adapter, path in local.adapters.items():
        _refuse_adapter(name, adapter, path, engine)
    return Planned(name, local, engine, estimate(local, shape_of(local.model)))


def _refuse_adapter(name: str, adapter: str, path: str, engine: Engine) -> None:
    from pathlib import Path

    place = Path(path)
    good = place.is_file() if engine.loads == "gguf" else place.is_dir()
    if not good:
        kind = "a GGUF file (convert_lora_to_gguf.py of llama.cpp makes one)" if engine.loads == "gguf" else "a folder with adapter_config.json"
        raise ModelUnusable(f"local.{name}.adapters.{adapter}: {path} is not {kind}, which {engine.name} loads.")
