"""The journey of a request, top to bottom.

    admit(cap) -> classify* -> cache? -- hit -------------------------------------------------------------------------.
        miss -> diet -> output -> cut -> retrieve -> route -> quote(cap) -> send(models) -> cascade -> check -> store(cache) --|
                                                           reply <- publish(measure) <- settle(cap) <-------------------'

* a request that is in the cache keeps the signals it was classified with, which saves a third of a hit.
The lines below are the journey; each step lives in the room it is named after. Whatever happens, one row is settled, and it is
settled before the last byte of the answer leaves.
"""

import asyncio

from farthing.brain import cascading, checking, cutting, delivery, dieting, exemplify, learning, retrieving, reuse, sending, settlement, shortening
from farthing.brain.house import House
from farthing.brain.ports import Caller
from farthing.brain.trip import ClientGone, CutShort, Trip
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange


async def journey(x: Exchange, house: House, caller: Caller) -> None:
    """Serve one exchange to its caller and settle it. Raises `FarthingError` when nothing has been sent yet."""
    trip = Trip(x, house.arm(x.inbound), caller)
    try:
        sending.admit(trip)
        retrieving.note_state(trip)
        if not await reuse.serve(trip):
            dieting.trim(trip)
            shortening.shorten(trip)
            cutting.leave_out(trip)
            await exemplify.show(trip)
            await retrieving.retrieve(trip)
            targets = await learning.route(trip)
            await settlement.reserve(trip, targets)
            await cutting.summarize(trip)
            await sending.send(trip, targets)
            await delivery.relay(trip)
            await cascading.read(trip)
            await checking.check(trip)
            reuse.store(trip)
        await settlement.settle(trip)
        await delivery.finish(trip)
    except (asyncio.CancelledError, ClientGone):
        await settlement.abandon(trip)
        raise asyncio.CancelledError from None
    except CutShort as cut:
        await checking.cut(trip, cut.reason)
    except FarthingError as error:
        await settlement.fail(trip, error)
    finally:
        trip.close()
        if not trip.settled:
            await settlement.last_resort(trip)
