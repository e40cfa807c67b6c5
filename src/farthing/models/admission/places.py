"""How many calls a service may have at work, as its row says."""

from collections.abc import Mapping

import msgspec

from farthing.config import Local, Service


class Places(msgspec.Struct, frozen=True):
    """`most`: never more; `None`: the engine does not say. `measured`: fewer, where more of them bring nothing."""

    most: int | None
    measured: bool


def places_of(service: Service, local: Mapping[str, Local], workers: int) -> Places | None:
    """Of one worker: workers share the engine and know nothing of each other. `None`: no limit."""
    engine = None if service.local is None else local.get(service.local)
    asked = service.at_once or ("unbounded" if engine is None else "measured")
    if asked == "unbounded":
        return None
    if isinstance(asked, int):
        return Places(-(-asked // workers), measured=False)
    return Places(None if engine is None else -(-engine.slots // workers), measured=True)
