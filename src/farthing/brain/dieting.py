"""The diet step: before the call is routed and quoted, so that both see what will really be sent."""

import msgspec

from farthing.brain.diet import Dieted
from farthing.brain.failopen import attempt
from farthing.brain.trip import Trip
from farthing.wire.patch import patch


def trim(trip: Trip) -> None:
    """Put the request on a diet. What it saved is on record; without a saving nothing is, and the body stays the caller's own bytes."""
    x, house = trip.x, trip.house
    dieted = attempt(x, "diet", lambda: house.diet.apply(x.inbound, house.tokens, off="diet" in trip.off), lambda: Dieted({}))
    if dieted.decision is None or dieted.effect is None:
        return
    trip.body = patch(x.inbound.body, dieted.fields)
    x.decisions.append(dieted.decision)
    x.effects.append(dieted.effect)
    if x.signals is not None:
        left = max(1, x.signals.input_tokens - dieted.saved_tokens)
        x.signals = msgspec.structs.replace(x.signals, input_tokens=left)
