"""Calls to an engine of one's own: as many at work as it gains from, the others in a waiting room, in an order.

Guarantees: a call waits no longer than its deadline, and is overtaken a bounded number of times; whoever hangs up leaves the room at once; a
place is given back however a call ends.
Costs: 7 us of CPU a call with a short prompt, 33 with one of 8 KB, and 2 more for each call that waits (bench/quantize.py --only order).
Off: `services.NAME.at_once = "unbounded"`, which it is unless the service runs here (`local`).
"""

from farthing.models.admission.backend import AdmittedBackend
from farthing.models.admission.places import Places, places_of

__all__ = ["AdmittedBackend", "Places", "places_of"]
