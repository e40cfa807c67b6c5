"""The lever runner: savings levers fail open. One of the two walls where any exception is caught; it is recorded here.

A fault of a lever costs its saving, never the answer: the request goes on as if the lever were off, the decision says so, the log has
the rest. What is refused on purpose (`FarthingError`) passes. Authentication, budgets and privacy are no levers and do not come here.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from farthing.brain.ports import Tokens
from farthing.core.decision import Decision, LeverName
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange, Signals
from farthing.core.request import Inbound

log = logging.getLogger("farthing.levers")

_T = TypeVar("_T")


def attempt(x: Exchange, lever: LeverName, act: Callable[[], _T], otherwise: Callable[[], _T]) -> _T:
    """What `act` gives, or, when it breaks, what `otherwise` gives, with the failure on record."""
    try:
        return act()
    except FarthingError:
        raise
    except Exception as fault:
        log.error("lever %s failed open on request %s: %s", lever, x.inbound.request_id, type(fault).__name__, exc_info=fault)
        x.decisions.append(Decision(lever, "failed", f"{type(fault).__name__}; went on without it", failed_open=True))
        return otherwise()


async def attempt_later(x: Exchange, lever: LeverName, act: Callable[[], Awaitable[_T]], otherwise: Callable[[], _T]) -> _T:
    """The same for what has to be waited for."""
    try:
        return await act()
    except FarthingError:
        raise
    except Exception as fault:
        log.error("lever %s failed open on request %s: %s", lever, x.inbound.request_id, type(fault).__name__, exc_info=fault)
        x.decisions.append(Decision(lever, "failed", f"{type(fault).__name__}; went on without it", failed_open=True))
        return otherwise()


def cautious(inbound: Inbound, tokens: Tokens) -> Signals:
    """Signals of a request that nobody could read: nothing about it is known to be easy."""
    size = tokens.estimate(inbound.peek.text_bytes)
    return Signals(inbound.task_type or "chat", 1.0, "high", True, inbound.language, size, size, inbound.domain, 0.0)
