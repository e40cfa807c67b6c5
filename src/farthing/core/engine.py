"""How an engine that serves models says it is, and how accelerators of this machine are."""

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What it does not say is unknown. Shares run from 0 to 1."""

    running: float | None = None  # requests at work
    waiting: float | None = None  # requests in its queue
    cache_used: float | None = None  # share of the memory for keys and values of attention
    gpu_used: float | None = None
    gpu_memory_used: float | None = None
    input_tokens: float | None = None  # read since it started
    output_tokens: float | None = None  # written since it started
    input_tokens_per_s: float | None = None  # between the last two looks
    output_tokens_per_s: float | None = None


class Crowd(msgspec.Struct, frozen=True):
    """How full the waiting room before a service is: calls at work there, calls that wait here, and how many may be at work."""

    in_flight: int
    waiting: int
    limit: int


class Gpu(msgspec.Struct, frozen=True):
    """One accelerator of this machine; shares from 0 to 1."""

    name: str
    used: float
    memory_used: float
