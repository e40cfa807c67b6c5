"""Blocks of logs to facts: in this process, or in child processes where there is enough to read.

Extraction takes most of the time and depends on one call only; learning and weighing need the order and stay in the parent.
"""

import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context

from farthing.core.errors import StoreUnavailable
from farthing.lab.audit.extract import Extractor
from farthing.lab.audit.spill import pack
from farthing.lab.logs import Batch, Block, Logs, read_block

LEAST_BYTES = 8 << 20  # below, starting children takes longer than the work
_AHEAD = 3  # blocks per child that wait for it or for the parent

Work = tuple[Batch, bytes]  # counts, and the facts packed


@lru_cache(maxsize=1)
def _extractor() -> Extractor:
    return Extractor()


def work(block: Block, since: float | None) -> Work:
    """The counts of a block, and the facts of its calls."""
    batch = read_block(block, since)
    extractor = _extractor()
    packed = pack([extractor.facts(call) for call in batch.calls])
    batch.calls = []
    return batch, packed


def extracted(logs: Logs, processes: int | None = None) -> Iterator[Work]:
    """Each block's work, in order."""
    children = min(os.cpu_count() or 1, 8) if processes is None else processes
    if children < 2 or logs.counts.bytes_total < LEAST_BYTES:
        for block in logs.blocks():
            yield work(block, logs.since)
        return
    pool = ProcessPoolExecutor(children, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        waiting: deque[Future[Work]] = deque()
        for block in logs.blocks():
            waiting.append(pool.submit(work, block, logs.since))
            if len(waiting) > children * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as fault:
        raise StoreUnavailable(
            "A child process that reads logs was ended from outside, most likely for want of memory. Try --processes 1."
        ) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
