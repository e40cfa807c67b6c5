"""Reuse of answers: `[cache]`."""

from typing import Annotated

from farthing.config.semantic import Semantic
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Cache(_Table, frozen=True):
    """Reuse of answers."""

    enabled: Annotated[bool, _key("Serve and store.")] = True
    ttl_s: Annotated[float, _key("Age at which an entry dies.", gt=0)] = 86400.0
    max_mb: Annotated[float, _key("Memory for answers in one worker; the least valuable go first.", gt=0)] = 32.0
    max_entry_kb: Annotated[float, _key("Answers larger than this are not kept.", gt=0)] = 64.0
    max_temperature: Annotated[float, _key("Hotter requests are not reused.", ge=0)] = 0.3
    coalesce: Annotated[bool, _key("Identical requests in flight share one upstream call.")] = True
    semantic: Annotated[Semantic, _key("Reuse by meaning.")] = Semantic()
