"""R4 and R7: rate limits are exact, and too much at once is shed, not suffered."""

import asyncio
import time
from collections import Counter

import pytest

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import Gateway
from tests.fakes.http_client import Answer, bearer, chat, get, post
from tests.fakes.upstream import FakeUpstream
from tests.reliability.conftest import StartGateway

BURST = 256
WINDOW_S = 60.0


async def _burst(gateway: Gateway, count: int, headers: dict[str, str], text: str = "burst {}") -> list[Answer]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(post(gateway.port, "/v1/chat/completions", chat(text.format(number)), headers)) for number in range(count)]
    return [task.result() for task in tasks]


def _within_one_window(gateway: Gateway, make_key: list[str]) -> list[Answer]:
    """A burst that a minute's end did not split; limits count in minutes of the monotonic clock."""
    for key in make_key:
        minute = time.monotonic() // WINDOW_S
        answers = asyncio.run(_burst(gateway, BURST, bearer(key)))
        if time.monotonic() // WINDOW_S == minute:
            return answers
    raise AssertionError("two bursts in a row crossed a minute's end")


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_per_minute_are_exact(start_gateway: StartGateway, upstream: FakeUpstream, workers: int) -> None:
    gateway = start_gateway(workers=workers)
    count = rounds(2)
    for turn in range(count):
        limit = 20 + 7 * turn
        upstream.forget()
        keys = [gateway.new_key("--tenant", f"rate-{turn}-{attempt}", "--rpm", str(limit)) for attempt in range(2)]
        answers = _within_one_window(gateway, keys)
        statuses = Counter(answer.status for answer in answers)
        assert statuses == {200: limit, 429: BURST - limit}
        refused = [answer for answer in answers if answer.status == 429]
        assert all(1 <= int(answer.headers["retry-after"]) <= WINDOW_S for answer in refused)
        assert {answer.code for answer in refused} == {"rate_limit_exceeded"}
    figure("R4 rate", f"admitted = limit in {count} rounds of {BURST} concurrent over {workers} worker(s), every 429 with Retry-After")


def test_concurrency_is_exact_and_given_back(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    key = gateway.new_key("--tenant", "narrow", "--concurrent", "5")
    for _ in range(rounds(3)):
        statuses = Counter(answer.status for answer in asyncio.run(_burst(gateway, 40, bearer(key), "hold:500 {}")))
        assert statuses == {200: 5, 429: 35}
    assert gateway.query("select * from meters where held != 0") == []


def test_tokens_per_minute_are_held_before_the_call(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway()
    key = gateway.new_key("--tenant", "tokens", "--tpm", "1000")

    async def main() -> list[Answer]:
        body = chat("hold:300 words:90", max_tokens=100)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post(gateway.port, "/v1/chat/completions", body | {"seed": n}, bearer(key))) for n in range(40)]
        return [task.result() for task in tasks]

    answers = asyncio.run(main())
    admitted = sum(answer.status == 200 for answer in answers)
    assert 1 <= admitted <= 10
    assert len(upstream.calls()) == admitted
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 429)


def test_overload_sheds(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway("[server]\nmax_in_flight = 8")

    async def main() -> tuple[list[Answer], float]:
        burst = asyncio.create_task(_burst(gateway, 64, {}, "hold:800 {}"))
        await asyncio.to_thread(upstream.wait, lambda: len(upstream.calls()) == 8)
        begun = time.monotonic()
        assert (await get(gateway.port, "/healthz")).status == 200
        return await burst, time.monotonic() - begun

    answers, _ = asyncio.run(main())
    statuses = Counter(answer.status for answer in answers)
    assert statuses == {200: 8, 503: 56}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 503)
    assert len(upstream.calls()) == 8
    assert asyncio.run(post(gateway.port, "/v1/chat/completions", chat("after"))).status == 200
    figure("R7 overload", f"64 at once on 8 seats: {statuses[200]} served, {statuses[503]} refused with Retry-After, 0 other")
