"""Worker processes that book: one to be killed, several to race for a budget."""

import asyncio
import multiprocessing
import os
from itertools import count
from multiprocessing.connection import Connection

from farthing import config
from farthing.core.clock import SystemClock
from farthing.core.ledger import Hold, Refusal, Release, Reserved
from farthing.stores.sqlite import Book
from tests.stores.samples import hold, intent, row

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.stores.crowd"])
METER = "everything"
_CALLERS = 12
_UNLIMITED = 10**12


def book_until_killed(path: str, name: str, said: Connection) -> None:
    """Reserve and settle as fast as it goes; every acknowledgement is a line on the pipe."""
    asyncio.run(_book_until_killed(path, name, said.fileno()))


def race(path: str, name: str, rounds: Connection) -> None:
    """For every (kind, meter, limit, callers) received: ask for one that often at once, answer how many were admitted."""
    asyncio.run(_race(path, name, rounds))


async def _book_until_killed(path: str, name: str, pipe: int) -> None:
    book = await Book.open(config.Store(path=path), worker=name, clock=SystemClock())
    await asyncio.gather(*(_book_forever(book, f"{name}.{caller}", pipe) for caller in range(_CALLERS)))


async def _book_forever(book: Book, name: str, pipe: int) -> None:
    held = hold(METER, 1, _UNLIMITED)
    for number in count():
        request_id = f"{name}.{number}"
        assert isinstance(await book.reserve(intent(request_id, held), [held]), Reserved)
        os.write(pipe, f"reserved {request_id}\n".encode())
        await book.settle(row(request_id), [Release(METER, 1, 1)])
        os.write(pipe, f"settled {request_id}\n".encode())


async def _race(path: str, name: str, rounds: Connection) -> None:
    book = await Book.open(config.Store(path=path), worker=name, clock=SystemClock())
    rounds.send("ready")
    while wanted := rounds.recv():
        rounds.send(await _admitted(book, name, *wanted))
    await book.close()


async def _admitted(book: Book, name: str, kind: str, meter: str, limit: int, callers: int) -> int:
    verdicts = await asyncio.gather(*(_ask(book, kind, f"{name}.{meter}.{caller}", hold(meter, 1, limit), caller % 8) for caller in range(callers)))
    return sum(isinstance(verdict, Reserved) for verdict in verdicts)


async def _ask(book: Book, kind: str, request_id: str, held: Hold, after: int) -> Reserved | Refusal:
    """Ask once that many other groups have been written, so that the processes' groups interleave."""
    for _ in range(after):
        await book.run(lambda connection: connection.execute("UPDATE control SET value = value + 1 WHERE name = 'race'").rowcount)
    if kind == "reserve":
        return await book.reserve(intent(request_id, held), [held])
    return await book.record(row(request_id), [held])
