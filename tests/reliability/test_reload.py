"""R9: reload is atomic. Under load no request fails, a bad config leaves the old one, a revoked key dies everywhere."""

import asyncio
import signal
import time

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import Gateway, poll, upstream_config
from tests.fakes.http_client import Connection, bearer, chat, get, post
from tests.fakes.upstream import FakeUpstream
from tests.reliability.conftest import StartGateway

CLIENTS = 8


def _config(upstream: FakeUpstream, cheap: str) -> str:
    return upstream_config(upstream.base_url).replace('cheap = ["openai/gpt-4o-mini"]', f'cheap = ["{cheap}"]')


class Load:
    """Clients that ask for the cheap tier without pause, and what they got."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.statuses: list[int] = []
        self.models: list[str] = []
        self._stop = False

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _client(self, number: int) -> None:
        async with Connection(self._gateway.port) as connection:
            while not self._stop:
                body = chat(f"slow:1 words:5 {number}", stream=number % 2 == 0, model="farthing/cheap")
                answer = await connection.post("/v1/chat/completions", body)
                self.statuses.append(answer.status)
                self.models.append(answer.headers.get("x-farthing-model", "").removeprefix("openai/"))

    async def until(self, model: str) -> None:
        """Every client is answered by this model."""
        async with asyncio.timeout(10):
            while set(self.models[-CLIENTS * 2 :]) != {model}:
                await asyncio.sleep(0.005)


def test_reload_under_load(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    count = rounds(6)
    gateway = start_gateway()

    async def main() -> int:
        async with Load(gateway) as load:
            await load.until("gpt-4o-mini")
            for turn in range(count):
                model = "gpt-4o" if turn % 2 == 0 else "gpt-4o-mini"
                gateway.write_config(_config(upstream, f"openai/{model}"))
                gateway.signal(signal.SIGHUP)
                await load.until(model)
            return _failed(load)

    failed = asyncio.run(main())
    figure("R9 reload", f"{failed} errors in {count} reloads under load")
    assert failed == 0


def _failed(load: Load) -> int:
    return sum(status != 200 for status in load.statuses)


def test_a_bad_config_leaves_the_old_one(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway()
    bad = {
        "grace": "[server]\ngrace = 3",
        "nonesuch": '[tiers]\ncheap = ["nonesuch/gpt-4o"]',
        "TOML": "this is not TOML [",
        "ttl_s": "[cache]\nttl_s = -1",
    }

    async def main() -> int:
        async with Load(gateway) as load:
            await load.until("gpt-4o-mini")
            for word, text in bad.items():
                gateway.write_config(text if "[tiers]" not in text else _config(upstream, "nonesuch/gpt-4o"))
                gateway.signal(signal.SIGHUP)
                await asyncio.to_thread(poll, lambda word=word: word in gateway.log, 5.0, f"a log line about {word}")
                await load.until("gpt-4o-mini")
            gateway.write_config(_config(upstream, "openai/gpt-4o"))
            gateway.signal(signal.SIGHUP)
            await load.until("gpt-4o")
            return _failed(load)

    assert asyncio.run(main()) == 0


def test_a_revoked_key_dies_in_every_worker(start_gateway: StartGateway) -> None:
    gateway = start_gateway(workers=2)
    key = gateway.new_key("--tenant", "gone")
    key_id = gateway.query("select key_id from keys")[0]["key_id"]

    async def hammer() -> float:
        """Seconds from the end of `keys revoke` until the last request that was let in."""
        stop = asyncio.Event()
        admitted: list[float] = []
        refused = 0

        async def client() -> None:
            nonlocal refused
            while not stop.is_set():
                answer = await post(gateway.port, "/v1/chat/completions", chat("knock"), bearer(key))
                assert answer.status in (200, 401)
                refused = refused + 1 if answer.status == 401 else 0
                if answer.status == 200:
                    admitted.append(time.monotonic())

        clients = [asyncio.create_task(client()) for _ in range(4)]
        async with asyncio.timeout(30):
            while len(admitted) < 20:
                await asyncio.sleep(0.005)
            await asyncio.to_thread(gateway.farthing, "keys", "revoke", key_id)
            revoked = time.monotonic()
            while refused < 200:
                await asyncio.sleep(0.005)
        stop.set()
        await asyncio.gather(*clients)
        return max(admitted) - revoked

    seconds = asyncio.run(hammer())
    figure("R9 revoke", f"last request let in {seconds * 1000:.0f} ms after the revocation (2 workers)")
    assert seconds < 1.0


def test_a_new_key_opens_and_closes_the_gateway(start_gateway: StartGateway) -> None:
    """The first key made closes an open gateway without a restart."""
    gateway = start_gateway()
    assert asyncio.run(post(gateway.port, "/v1/chat/completions", chat("open"))).status == 200
    key = gateway.new_key("--tenant", "first")
    poll(lambda: asyncio.run(post(gateway.port, "/v1/chat/completions", chat("closed?"))).status == 401, 5.0, "the refusal of strangers")
    poll(lambda: asyncio.run(post(gateway.port, "/v1/chat/completions", chat("mine"), bearer(key))).status == 200, 5.0, "the new key")
    assert asyncio.run(get(gateway.port, "/healthz")).status == 200
