"""The end of a batch: how large its answer files are, then the files themselves."""

import asyncio

from farthing.brain.batch.ports import Jobs
from farthing.core.batch import Batch
from farthing.wire.batch_lines import answer_line

_AT_ONCE = 200


async def end_if_through(batch: Batch, jobs: Jobs, *, now: float, keep_s: float) -> bool:
    """True when it ended here and now."""
    if jobs.runs(batch.id):
        return False
    sizes: dict[str, int] = {}
    for part in ("output", "errors"):
        size = 0
        for count, line in enumerate(jobs.lines(batch.id, part)):
            size += len(answer_line(line))
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        sizes[part] = size
    return await jobs.end(batch.id, sizes=sizes, now=now, keep_s=keep_s)
