"""An HTTP service with a waiting room before it. A place is held from the request's first byte to the answer's last."""

import asyncio
from collections.abc import Callable, Mapping

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import Clock
from farthing.core.engine import Crowd
from farthing.core.errors import Upstream, UpstreamRefused
from farthing.models.admission.order import marks_of
from farthing.models.admission.places import Places
from farthing.models.admission.room import Room, Seat
from farthing.models.http import HttpBackend, HttpReply
from farthing.models.transport.dial import Resolve, resolve_system

_FULL_STATUS = frozenset({429, 503, 529})
_LEARNS = 0.05


class SeatedReply(HttpReply):
    """Gives the place back when the body has ended, or is no longer wanted."""

    __slots__ = ("_ended", "_seat")

    def __init__(self, reply: HttpReply, seat: Seat, ended: Callable[[int], float]) -> None:
        super().__init__(reply.raw, reply.content_type)
        self.queue_s += seat.waited_s
        self._seat = seat
        self._ended = ended

    def watch(self, on_end: Callable[[Upstream | None], None]) -> None:
        def ended(error: Upstream | None) -> None:
            self._seat.leave(self._ended(self.raw.received) if error is None else None)
            on_end(error)

        self.raw.watch(ended)

    def close(self) -> None:
        super().close()
        self._seat.leave()


class AdmittedBackend(HttpBackend):
    """One engine from its row."""

    def __init__(
        self, name: str, service: Service, places: Places, *, clock: Clock, environ: Mapping[str, str], resolve: Resolve = resolve_system
    ) -> None:
        super().__init__(name, service, clock=clock, environ=environ, resolve=resolve)
        self.places = places
        self._room: Room | None = None
        self._usual_bytes: dict[bool, float] = {}  # of an answer, by whether it is a stream

    @property
    def crowd(self) -> Crowd:
        return Crowd(0, 0, self.places.most or 0) if self._room is None else self._room.crowd

    def serves(self, service: Service, key: str | None, places: object = None) -> bool:
        return super().serves(service, key) and places == self.places

    async def send(self, call: Call) -> HttpReply:
        loop = asyncio.get_running_loop()
        room = self._room = self._room or Room(self.where, self.places, loop.time)
        deadline_s = loop.time() + call.deadline_s - self.clock.monotonic()
        seat = await room.enter(marks_of(call.body), deadline_s, patient=call.item is not None)
        try:
            reply = await super().send(call)
        except BaseException as error:
            if isinstance(error, UpstreamRefused) and error.status in _FULL_STATUS:
                room.refused()
            seat.leave()
            raise
        return SeatedReply(reply, seat, lambda size: self._work(size, stream=call.stream))

    async def close(self) -> None:
        if self._room is not None:
            self._room.close()
        await super().close()

    def _work(self, size: int, *, stream: bool) -> float:
        """Half by the call, half by its answer's length, so that neither long prompts nor long answers mislead; a usual one makes 1."""
        usual = self._usual_bytes.get(stream) or float(size or 1)
        self._usual_bytes[stream] = usual + _LEARNS * (size - usual)
        return 0.5 + 0.5 * size / usual
