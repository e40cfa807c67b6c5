"""Answers beyond one process: written behind, loaded at start, shared between workers."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from farthing.brain.cache.base import Answer
from farthing.brain.cache.lever import CacheLever

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer).decode


class Stored(Protocol):
    """One answer as the store keeps it. Properties: a stored row is frozen."""

    @property
    def key(self) -> bytes: ...

    @property
    def tenant(self) -> str: ...

    @property
    def meta(self) -> bytes: ...
