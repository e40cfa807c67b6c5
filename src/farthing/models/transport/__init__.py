"""HTTP/1.1 to model services: keep-alive pools over asyncio and httptools.

Guarantees: nothing outlives its deadline; a cancelled or closed call drops its socket at once; memory for one unread answer
stays near 256 KiB; no byte of an answer is retried, decoded or followed elsewhere.
Costs: see `pool.py`; printed by bench/transport.py.
"""

from farthing.models.transport.dial import Dialer, Origin
from farthing.models.transport.pool import Pool
from farthing.models.transport.reply import RawReply

__all__ = ["Dialer", "Origin", "Pool", "RawReply"]
