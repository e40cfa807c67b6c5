"""Rows added up in a process of its own: a busy gateway shares its interpreter with nobody.

The process reads and reckons at low priority, and writes nothing; what it prepared is written by the gateway's one writer. It ends when its input
does, so that it outlives no gateway, however that one ended.
Protocol: the moment as a line of text, answered by four bytes of length and a `_Reply` in MessagePack.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from typing import Any

import msgspec

from farthing import config
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rollups.filler import Batch, VerdictBatch, next_batch

_NICE = 5
_LENGTH_BYTES = 4


class ClerkGone(Exception):
    """The process ended, or could not be started."""


class _Reply(msgspec.Struct, omit_defaults=True):
    """A batch, verdicts to be read by whoever writes them, a problem, or (all of them unset) nothing to do."""

    batch: "_Prepared | None" = None
    verdicts: tuple[float, int] | None = None  # the moment, and how many at most
    problem: str | None = None


class _Prepared(msgspec.Struct):
    source: str
    before: int
    after: int
    rows: int
    request_id: str | None
    statements: list[tuple[str, list[Any]]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Reply).decode


class Clerk:
    """Started by the first question. Use it in one event loop, one question at a time."""

    def __init__(self, store: config.Store) -> None:
        self._store = store
        self._process: asyncio.subprocess.Process | None = None

    async def next_batch(self, now: float) -> Batch | None:
        """As `filler.next_batch`. Raises `ClerkGone`, after which the next question starts another process, and `sqlite3.Error`."""
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"%r\n" % now)
            await process.stdin.drain()
            length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
            reply = _decode(await process.stdout.readexactly(length))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise ClerkGone(f"the process that adds up the ledger has ended (status {process.returncode})") from error
        except asyncio.CancelledError:
            await self.close()  # half an answer in the pipe is of no use to the next question
            raise
        return _opened(reply)

    async def close(self) -> None:
        """Returns when the process has let go of the file."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        command = (sys.executable, "-P", "-m", __name__, msgspec.json.encode(self._store).decode())
        pipe = asyncio.subprocess.PIPE
        try:
            self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        except OSError as error:
            raise ClerkGone(f"the process that adds up the ledger cannot be started: {error.strerror}") from error
        return self._process


def _opened(reply: _Reply) -> Batch | None:
    if reply.problem is not None:
        raise sqlite3.OperationalError(reply.problem)
    if reply.verdicts is not None:
        return VerdictBatch(*reply.verdicts)
    found = reply.batch
    if found is None:
        return None
    batch = Batch(found.source, found.before, found.after, found.rows)
    batch.request_id, batch.statements = found.request_id, found.statements
    return batch


def _reply(reader: sqlite3.Connection, now: float) -> _Reply:
    try:
        batch = next_batch(reader, now)
    except sqlite3.Error as error:
        return _Reply(problem=str(error))
    if batch is None:
        return _Reply()
    if isinstance(batch, VerdictBatch):
        return _Reply(verdicts=(batch.now, batch.limit))
    return _Reply(batch=_Prepared(batch.source, batch.before, batch.after, batch.rows, batch.request_id, batch.statements))


def main() -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the gateway says when it is over
    os.nice(_NICE)
    reader = database.connect(msgspec.json.decode(sys.argv[1], type=config.Store))
    for line in sys.stdin.buffer:
        reply = _encode(_reply(reader, float(line)))
        sys.stdout.buffer.write(len(reply).to_bytes(_LENGTH_BYTES, "big") + reply)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
