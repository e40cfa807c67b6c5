"""Holds the calls of background items until a provider's batch has answered them; to the journey it is a service that takes its time.

One worker (`drives`) gathers what all of them parked, sends it off and looks after it; each wakes its own calls when answers are in the store.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from hashlib import blake2b

from farthing.config import Config
from farthing.core.call import Call
from farthing.core.clock import Clock
from farthing.core.errors import BatchCalledOff, PutOff, StoreUnavailable, Upstream, UpstreamBroken, UpstreamRefused
from farthing.core.ids import new_id
from farthing.core.parked import ParkedAnswer, ParkedCall, ProviderBatch
from farthing.models.batch.base import Parked, Provider
from farthing.wire.batch_lines import PATHS

log = logging.getLogger("farthing.batch")

_LOOK_S = 1.0
_PATH_OF = {dialect: path for path, dialect in PATHS.items()}


class BatchReply:
    """A `core.call.Reply` that came in a provider's batch."""

    content_type = "application/json"
    service_request_id: str | None = None
    attempts = 1
    queue_s = 0.0

    def __init__(self, body: bytes, price_factor: Decimal) -> None:
        self._body = body
        self.price_factor: Decimal | None = price_factor

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self) -> bytes:
        return self._body

    def close(self) -> None: ...


class BatchDesk:
    """`providers` by service, those that take batches."""

    def __init__(self, parked: Parked, config: Config, clock: Clock, make: Callable[[Config], Mapping[str, Provider]], *, drives: bool) -> None:
        self._parked, self._clock, self._make, self._drives = parked, clock, make, drives
        self._waiting: dict[int, asyncio.Future[ParkedAnswer]] = {}
        self._cancelled: set[str] = set()  # tags, asked for once
        self._looked_s = float("-inf")
        self._loops: list[asyncio.Task[None]] = []
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Services and settings of another configuration."""
        self._config = config
        self._providers = self._make(config)

    @property
    def pending(self) -> int:
        """Calls of this worker that wait here."""
        return len(self._waiting)

    def takes(self, call: Call) -> bool:
        """Whether this call may go with a batch."""
        if call.item is None or call.stream or call.service not in self._providers:
            return False
        # A batch has one head for all of its calls: what asks for a beta goes by itself.
        return not any(name.lower().endswith("-beta") for name, _ in call.headers)

    def start(self) -> None:
        """Two loops, so that who waits here, and is not to wait any longer, does not wait for a provider that is slow to answer."""
        turns = [self._listen, self._drive] if self._drives else [self._listen]
        self._loops = [asyncio.create_task(self._run(turn)) for turn in turns]

    async def close(self) -> None:
        """Every call that waits is put off: its item goes back to the queue, and finds its answer after the restart."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PutOff("The gateway stops; the call waits for its provider's batch."))

    async def ask(self, call: Call) -> BatchReply | None:
        """Its answer out of a batch, maybe hours later; `None`: call it directly. Raises what the provider said instead of an answer."""
        assert call.item is not None
        path, digest = _PATH_OF[call.dialect], blake2b(call.body, digest_size=16).digest()
        known = await self._parked.park(ParkedCall(call.item, digest, call.service, path, call.model, call.body, self._clock.now()))
        if known.state in ("waiting", "sent"):
            future = self._waiting[call.item] = asyncio.get_running_loop().create_future()
            try:
                known = await future
            finally:
                del self._waiting[call.item]
            if known.status is not None and known.status != 200:
                answer = known.answer or b""
                raise UpstreamRefused(f"Service '{call.service}' answered {known.status} in its batch.", status=known.status, body=answer)
        if known.state != "answered" or known.answer is None:
            return None
        return BatchReply(known.answer, Decimal(str(self._config.services[call.service].batch_price)))

    async def _run(self, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
            except (StoreUnavailable, Upstream) as error:
                log.warning("providers' batches wait: %s", error.message)
            await asyncio.sleep(_LOOK_S)

    async def _listen(self) -> None:
        self._wake()

    async def _drive(self) -> None:
        await self._send_off()
        await self._cancel_unwanted()
        await self._look_after()
        self._wake()

    def _wake(self) -> None:
        if not self._waiting:
            return
        for answer in self._parked.back():
            future = self._waiting.get(answer.item)
            if future is not None and not future.done():
                future.set_result(answer)
        for item in self._parked.called_off(self._clock.now()) & self._waiting.keys():
            if not self._waiting[item].done():
                self._waiting[item].set_exception(BatchCalledOff("The batch was cancelled, or its time is over, before the provider had answered."))

    async def _send_off(self) -> None:
        """Groups that are large enough, or have waited long enough."""
        settings = self._config.batch
        for service, path, model, count, since in self._parked.waiting():
            if count < settings.provider_items and self._clock.now() - since < settings.provider_gather_s:
                continue
            calls = self._parked.group(service, path, model, settings.provider_items)
            provider = self._providers.get(service)
            if provider is None or len(calls) < settings.provider_least:
                await self._parked.miss([call.item for call in calls])
                continue
            batch = ProviderBatch(new_id("pb", self._clock.now()), service, path, None, self._clock.now())
            await self._parked.begin(batch, [call.item for call in calls])
            await self._submit(provider, batch, calls)

    async def _submit(self, provider: Provider, batch: ProviderBatch, calls: list[ParkedCall]) -> None:
        try:
            provider_id = await provider.submit(batch.tag, batch.path, calls)
        except UpstreamRefused as error:
            log.warning("service '%s' takes no batch; its calls are made one by one: %s", batch.service, error.message)
            await self._parked.end(batch.tag, [])
            return
        # Where nobody knows whether it arrived, `_look_after` asks the provider.
        await self._parked.sent(batch.tag, provider_id)
        log.info("%d calls went to '%s' as its batch %s", len(calls), batch.service, provider_id)

    async def _look_after(self) -> None:
        if self._clock.monotonic() - self._looked_s < self._config.batch.provider_poll_s:
            return
        self._looked_s = self._clock.monotonic()
        for batch in self._parked.open():
            try:
                await self._look_at(batch)
            except UpstreamBroken as error:
                log.warning("batch %s of '%s' cannot be read, and is looked at again: %s", batch.provider_id, batch.service, error.message)

    async def _cancel_unwanted(self) -> None:
        """Batches at a provider of which nobody waits for anything any more."""
        for batch in self._parked.unwanted(self._clock.now()):
            provider = self._providers.get(batch.service)
            if provider is None or batch.provider_id is None or batch.tag in self._cancelled:
                continue
            self._cancelled.add(batch.tag)
            try:
                await provider.cancel(batch.provider_id)
            except UpstreamRefused as error:  # it has ended meanwhile, mostly
                log.info("batch %s of '%s' was not cancelled: %s", batch.provider_id, batch.service, error.message)

    async def _look_at(self, batch: ProviderBatch) -> None:
        provider = self._providers.get(batch.service)
        if provider is None:
            await self._parked.end(batch.tag, [])
            return
        provider_id = batch.provider_id
        if provider_id is None:
            # We were stopped between the order and the provider's answer.
            provider_id = await provider.find(batch)
            if provider_id is None:
                await self._parked.undo(batch.tag)
                return
            await self._parked.sent(batch.tag, provider_id)
        state = await provider.look(provider_id)
        if state.state == "runs":
            return
        answers = [answer for file in state.files for answer in await provider.fetch(file)]
        await self._parked.end(batch.tag, answers)
        log.info("batch %s of '%s' %s with %d answers", provider_id, batch.service, state.state, sum(one.state == "answered" for one in answers))
