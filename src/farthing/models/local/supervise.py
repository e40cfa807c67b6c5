"""One engine, kept running: started, waited for, warmed, started again when it dies, drained at the end.

Guarantees: `up` is told only when the engine has answered and its prompts are computed; an engine that dies is started again after 0.5, 1, 2, ... up
to 30 s, and from 0.5 s again once it has lived a minute; one that never answered, or died five times in a row before it did, is given up with its
last words; at the end running answers get `grace_s`, then SIGTERM, then SIGKILL. No process is left behind, even when we are killed (`launch.py`).
Costs: a task and a pipe for each engine; a look at its health ten times a second while it starts, none afterwards.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

import msgspec

from farthing.config import Local
from farthing.core.clock import Clock
from farthing.core.errors import Upstream
from farthing.core.web import WebReply, WebRequest
from farthing.models.fetch import Fetcher
from farthing.models.local.errors import EngineFailed
from farthing.models.local.rows import Engine

State = Literal["starting", "up", "died", "draining", "stopped"]
Tell = Callable[[str, State, str], None]  # name, what it is now, more words
Sleep = Callable[[float], Awaitable[None]]

_FIRST_S, _LONGEST_S, _TRIES, _SETTLED_S = 0.5, 30.0, 5, 60.0
_ASK_EVERY_S, _TERM_S = 0.1, 10.0
_LAST_LINES = 40


@dataclass(slots=True)
class Deaths:
    """How often it died, and what follows from it: pure, so that it can be tested without waiting."""

    in_a_row: int = 0
    before_answering: int = 0
    has_answered: bool = False  # ever

    def after(self, lived_s: float, *, answered: bool) -> float | None:
        """Seconds to wait before the next start; `None`: give up."""
        self.in_a_row = 1 if answered and lived_s >= _SETTLED_S else self.in_a_row + 1
        self.before_answering = 0 if answered else self.before_answering + 1
        self.has_answered |= answered
        if self.before_answering >= (_TRIES if self.has_answered else 1):
            return None
        return min(_LONGEST_S, _FIRST_S * 2 ** (self.in_a_row - 1))


class Supervised:
    """One engine with its model."""

    def __init__(self, name: str, local: Local, engine: Engine, *, clock: Clock, tell: Tell, sleep: Sleep = asyncio.sleep) -> None:
        self.name = name
        self.local = local
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._fetch = Fetcher(clock)
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._stopping = False
        self._sleep = sleep
        self.up = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def last_words(self) -> str:
        """The last lines that it wrote, for errors and logs."""
        return "\n".join(self._words)

    async def keep(self) -> None:
        """Run it until `stop`. Raises `EngineFailed` when it cannot be brought to answer."""
        deaths = Deaths()
        while not self._stopping:
            began, answered = self._clock.monotonic(), False
            reader = await self._start()
            try:
                answered = await self._until_ready(began)
                if answered and not self._stopping:
                    await self._warm()
                    self.up.set()
                    self._tell(self.name, "up", f"{self._clock.monotonic() - began:.1f} s")
                assert self._process is not None
                await self._process.wait()
            finally:
                self.up.clear()
                await self._end_process()
                await reader
            if not self._stopping:
                await self._pause(deaths, self._clock.monotonic() - began, answered=answered)

    async def stop(self) -> None:
        """Let running answers end, then end the process. `keep` returns."""
        self._stopping = True
        if self.pid is None:
            return
        if self.up.is_set():
            self._tell(self.name, "draining", f"up to {self.local.grace_s:g} s")
            await self._until_idle()
        await self._end_process()
        self._tell(self.name, "stopped", "")

    async def _pause(self, deaths: Deaths, lived_s: float, *, answered: bool) -> None:
        assert self._process is not None
        status = self._process.returncode or 0
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        delay = deaths.after(lived_s, answered=answered)
        if delay is None:
            raise EngineFailed(f"{self._engine.name} for '{self.name}' {how} before it answered. Its last words:\n{self._telling_words()}")
        self._tell(self.name, "died", f"{how}; starting again in {delay:g} s")
        await self._sleep(delay)

    async def _start(self) -> "asyncio.Task[None]":
        self._tell(self.name, "starting", self._engine.name)
        command = [sys.executable, "-m", "farthing.models.local.launch", *self._engine.command(self.name, self.local)]
        # A session of its own: Ctrl-C in the terminal reaches us alone, and we drain.
        # A pipe of ours: with asyncio's, `wait` would also wait for the engine's own children, which hold it open.
        read_end, write_end = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | self._engine.environment(self.local),
            )
        finally:
            os.close(write_end)
        return asyncio.create_task(self._listen(os.fdopen(read_end, "rb")))

    async def _listen(self, pipe: BinaryIO) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        try:
            while True:
                try:
                    line = await stream.readline()
                except ValueError:  # a line longer than the reader's limit
                    continue
                if not line:
                    return
                self._words.append(line.decode("utf-8", "replace").rstrip())
        finally:
            transport.close()

    async def _until_ready(self, began: float) -> bool:
        """False when it ended first. Raises `EngineFailed` when it takes too long."""
        while self.pid is not None and not self._stopping:
            with contextlib.suppress(Upstream):
                if (await self._ask("GET", "/health")).status == 200:
                    return True
            if self._clock.monotonic() - began > self.local.ready_timeout_s:
                text = f"{self._engine.name} for '{self.name}' did not answer within {self.local.ready_timeout_s:g} s."
                raise EngineFailed(f"{text} Raise local.{self.name}.ready_timeout_s, or see its last words:\n{self._telling_words()}")
            await self._sleep(_ASK_EVERY_S)
        return False

    async def _warm(self) -> None:
        """Compute the prompts that will come again, so that their keys and values are there. What fails is left cold."""
        if self.local.embeddings:
            return
        for prompt in ("", *self.local.warm):
            said = [{"role": "system", "content": prompt}] if prompt else []
            body = {"model": self.name, "messages": [*said, {"role": "user", "content": "Hello"}], "max_tokens": 1}
            with contextlib.suppress(Upstream):
                await self._ask("POST", "/v1/chat/completions", msgspec.json.encode(body), timeout_s=self.local.ready_timeout_s)

    async def _until_idle(self) -> None:
        """Until its metrics say that nothing runs, or for `grace_s`."""
        figure = re.compile(rf"^{re.escape(self._engine.running)}(?:{{[^}}]*}})? ([0-9.e+-]+)$", re.MULTILINE)
        deadline = self._clock.monotonic() + self.local.grace_s
        while self.pid is not None and self._clock.monotonic() < deadline:
            try:
                page = (await self._ask("GET", "/metrics")).body.decode("utf-8", "replace")
            except Upstream:
                return
            if not any(float(value) for value in figure.findall(page)):
                return
            await self._sleep(_ASK_EVERY_S)

    async def _end_process(self) -> None:
        """Of the engine and of every process that it started (vLLM's workers hold the memory)."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _TERM_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _ask(self, method: str, target: str, body: bytes = b"", timeout_s: float = 5.0) -> WebReply:
        deadline_s = self._clock.monotonic() + timeout_s
        return await self._fetch(WebRequest(method, False, "127.0.0.1", self.local.port, target, body, (), deadline_s, 1 << 24, private_ok=True))

    def _telling_words(self) -> str:
        """What explains a failure: lines that speak of errors, else the last ones."""
        telling = [line for line in self._words if re.search(r"(?i)error|failed|fault|cannot|could not|unable|not start|exception", line)]
        return "\n".join(f"  {line}" for line in (telling or list(self._words))[-8:]) or "  (none)"
