"""Hedging: a second copy of a slow call; the first answer wins, the other one's socket is closed.

Costs: two tasks a call, and the tokens of the loser, which no ledger row shows. Off by default (`resilience.hedge_after_s`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from farthing.core.call import Reply

Try = Callable[[], Coroutine[Any, Any, Reply]]


async def hedged(send: Try, after_s: float, may_hedge: Callable[[], bool]) -> Reply:
    """The reply of whichever copy answers first; the first copy's error when none does."""
    tries = [asyncio.create_task(send())]
    winner: asyncio.Task[Reply] | None = None
    try:
        await asyncio.wait(tries, timeout=after_s)
        if not tries[0].done() and may_hedge():
            tries.append(asyncio.create_task(send()))
        winner = await _first_good(tries)
        reply = winner.result()
        reply.attempts += len(tries) - 1
        return reply
    finally:
        for task in tries:
            if task is not winner:
                task.cancel()
                task.add_done_callback(_forget)


async def _first_good(tries: list[asyncio.Task[Reply]]) -> asyncio.Task[Reply]:
    pending = set(tries)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task
    return tries[0]


def _forget(task: asyncio.Task[Reply]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
