"""HTTP/1.1 to model services: keep-alive pools over asyncio and httptools.

Guarantees: nothing outlives its deadline; a cancelled or closed call drops its socket at once; memory for one unread answer
stays near 256 KiB; no byte of an answer is retried, decoded or followed elsewhere.
Costs: 17 to 25 us of CPU for a whole answer, about 35 us for a stream of 30 events in one packet, 10 to 15 us for every packet more
(bench/transport.py, on a busy 2-core machine).
"""

from farthing.models.transport.dial import Dialer, Origin
from farthing.models.transport.pool import Pool
from farthing.models.transport.reply import RawReply

__all__ = ["Dialer", "Origin", "Pool", "RawReply"]
