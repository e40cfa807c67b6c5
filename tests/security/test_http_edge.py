"""S2: requests that two servers could read in two ways are refused; slow and oversized heads are bounded.

Every vector carries a chat request that would reach the model if it were believed. The verdict is three-fold: no success, no second answer,
and not one call at the model.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator

import pytest

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import get, post
from tests.fakes.upstream import FakeUpstream

BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"smuggled"}]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
START = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
HIDDEN = START + HOST + JSON + LENGTH + b"\r\n" + BODY


def framed(*headers: bytes, body: bytes = BODY, start: bytes = START, host: bytes = HOST) -> bytes:
    return start + host + JSON + b"".join(headers) + b"\r\n" + body


TE = b"Transfer-Encoding: chunked\r\n"
REFUSED = {
    "length and chunked": framed(LENGTH, TE, body=CHUNKED),
    "chunked and length": framed(TE, LENGTH, body=CHUNKED),
    "chunked and short length": framed(TE, b"Content-Length: 4\r\n", body=CHUNKED),
    "two lengths": framed(LENGTH, b"Content-Length: 3\r\n"),
    "two equal lengths": framed(LENGTH, LENGTH),
    "list of lengths": framed(b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY))),
    "signed length": framed(b"Content-Length: +%d\r\n" % len(BODY)),
    "negative length": framed(b"Content-Length: -1\r\n"),
    "hex length": framed(b"Content-Length: 0x49\r\n"),
    "spaced length": framed(b"Content-Length: 7 3\r\n"),
    "empty length": framed(b"Content-Length:\r\n"),
    "length with a letter": framed(b"Content-Length: 73a\r\n"),
    "length beyond 64 bits": framed(b"Content-Length: 99999999999999999999999\r\n"),
    "space before the colon": framed(b"Transfer-Encoding : chunked\r\n", body=CHUNKED),
    "unknown coding": framed(b"Transfer-Encoding: xchunked\r\n", body=CHUNKED),
    "chunked is not last": framed(b"Transfer-Encoding: chunked, identity\r\n", body=CHUNKED),
    "gzip alone": framed(b"Transfer-Encoding: gzip\r\n", body=CHUNKED),
    "vertical tab in the coding": framed(b"Transfer-Encoding: \x0bchunked\r\n", body=CHUNKED),
    "two codings": framed(TE, b"Transfer-Encoding: identity\r\n", body=CHUNKED),
    "quoted coding": framed(b'Transfer-Encoding: "chunked"\r\n', body=CHUNKED),
    "folded header": framed(b"X-A: b\r\n c\r\n", LENGTH),
    "folded coding": framed(b"Transfer-Encoding:\r\n chunked\r\n", LENGTH),
    "no host": framed(LENGTH, host=b""),
    "two hosts": framed(b"Host: other\r\n", LENGTH),
    "two equal hosts": framed(HOST, LENGTH),
    "space in a name": framed(b"X A: b\r\n", LENGTH),
    "name without colon": framed(b"Bare\r\n", LENGTH),
    "empty name": framed(b": b\r\n", LENGTH),
    "nul in a value": framed(b"X-A: a\x00b\r\n", LENGTH),
    "nul in a name": framed(b"X\x00A: b\r\n", LENGTH),
    "bare CR in a value": framed(b"X-A: a\rContent-Length: 0\r\n", LENGTH),
    "bad chunk size": framed(TE, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "negative chunk size": framed(TE, body=b"-1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "prefixed chunk size": framed(TE, body=b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "chunk size beyond 64 bits": framed(TE, body=b"FFFFFFFFFFFFFFFFF\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "no end of chunk": framed(TE, body=b"%x\r\n%bXX0\r\n\r\n" % (len(BODY), BODY)),
    "chunk size with bare LF": framed(TE, body=b"%x\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "HTTP/1.2": framed(LENGTH, start=b"POST /v1/chat/completions HTTP/1.2\r\n"),
    "HTTP/3.0": framed(LENGTH, start=b"POST /v1/chat/completions HTTP/3.0\r\n"),
    "lower-case protocol": framed(LENGTH, start=b"POST /v1/chat/completions http/1.1\r\n"),
    "no protocol": framed(LENGTH, start=b"POST /v1/chat/completions\r\n"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "tab in the request line": framed(LENGTH, start=b"POST\t/v1/chat/completions HTTP/1.1\r\n"),
    "lower-case method": framed(LENGTH, start=b"post /v1/chat/completions HTTP/1.1\r\n"),
    "unknown method": framed(LENGTH, start=b"FROB /v1/chat/completions HTTP/1.1\r\n"),
    "connect": framed(LENGTH, start=b"CONNECT evil.example:443 HTTP/1.1\r\n"),
    "raw control byte in the path": framed(LENGTH, start=b"POST /v1/chat/\x01completions HTTP/1.1\r\n"),
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "binary": bytes(range(256)) * 4,
    "header of 40 KB": framed(b"X-Long: " + b"a" * 40_000 + b"\r\n", LENGTH),
    "5,000 headers": framed(*(b"X-%d: y\r\n" % number for number in range(5000)), LENGTH),
    "path of 70 KB": framed(LENGTH, start=b"POST /" + b"a" * 70_000 + b" HTTP/1.1\r\n"),
}
# Legal, though rare: served as what they are, once.
SERVED = {
    "chunked": framed(TE, body=CHUNKED),
    "chunked in small pieces": framed(TE, body=b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"),
    "chunk extension": framed(TE, body=b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "trailer": framed(TE, body=b"%x\r\n%b\r\n0\r\nX-T: 1\r\n\r\n" % (len(BODY), BODY)),
    "upper-case coding": framed(b"Transfer-Encoding: CHUNKED\r\n", body=CHUNKED),
    "upgrade is ignored": framed(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", LENGTH),
    "expectation": framed(b"Expect: 100-continue\r\n", LENGTH),
}


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, "[server]\nheader_timeout_s = 1.0"), env=UPSTREAM_ENV) as running:
        yield running


async def exchange(port: int, raw: bytes, *, quiet_s: float = 0.4) -> bytes:
    """All that comes back until the server closes, or is silent while it waits for more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(raw)
        await writer.drain()
        while piece := await asyncio.wait_for(reader.read(65_536), quiet_s):
            received += piece
    writer.transport.abort()
    return received


def statuses(received: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def test_ambiguous_requests_are_refused(gateway: Gateway, upstream: FakeUpstream) -> None:
    async def verdicts() -> dict[str, list[int]]:
        answers = await asyncio.gather(*(exchange(gateway.port, raw) for raw in REFUSED.values()))
        return {name: statuses(answer) for name, answer in zip(REFUSED, answers, strict=True)}

    upstream.forget()
    found = asyncio.run(verdicts())
    wrong = {name: seen for name, seen in found.items() if any(status < 400 or status == 500 for status in seen) or len(seen) > 1}
    reached = len(upstream.calls())
    figure("S2 edge", f"{len(REFUSED) - len(wrong)} of {len(REFUSED)} smuggling and limit vectors refused, {reached} reached the model")
    assert wrong == {}
    assert reached == 0
    assert asyncio.run(get(gateway.port, "/healthz")).status == 200


def test_a_refused_request_takes_the_connection_with_it(gateway: Gateway, upstream: FakeUpstream) -> None:
    """What follows an ambiguous request on the same socket is never read as a request."""
    upstream.forget()

    async def main() -> list[list[int]]:
        return [statuses(await exchange(gateway.port, raw + HIDDEN)) for raw in (REFUSED["length and chunked"], REFUSED["two lengths"])]

    assert all(len(seen) <= 1 and 200 not in seen for seen in asyncio.run(main()))
    assert upstream.calls() == []


@pytest.mark.parametrize("name", SERVED)
def test_legal_but_rare(gateway: Gateway, upstream: FakeUpstream, name: str) -> None:
    upstream.forget()
    received = asyncio.run(exchange(gateway.port, SERVED[name]))
    assert [status for status in statuses(received) if status != 100] == [200]
    assert [call.body for call in upstream.calls()] == [BODY]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"anything/1"])
def test_the_body_of_a_declined_upgrade_is_no_request(gateway: Gateway, upstream: FakeUpstream, protocol: bytes) -> None:
    """Whether it comes with the head or later, what follows an upgrade offer is the body, and what follows the body is the next request."""
    upstream.forget()
    head = START + HOST + JSON + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    hidden = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"a GET / HTTP/1.1\\r\\n"}]}'
    first, second = head + b"Content-Length: %d\r\n\r\n" % len(hidden), framed(LENGTH)

    async def main() -> list[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        found = []
        for piece in (first, hidden[:20], hidden[20:] + head + TE + b"\r\n" + CHUNKED[:7], CHUNKED[7:] + second):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        for _ in range(3):
            status = int((await reader.readline()).split()[1])
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length") else length
            await reader.readexactly(length)
            found.append(status)
        writer.transport.abort()
        return found

    assert asyncio.run(asyncio.wait_for(main(), 10)) == [200, 200, 200]
    assert [call.body for call in upstream.calls()] == [hidden, BODY, BODY]


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    texts = [b"slow:20 one", b"two", b"three"]
    bodies = [BODY.replace(b"smuggled", text) for text in texts]
    raw = b"".join(framed(b"Content-Length: %d\r\n" % len(body), body=body) for body in bodies)
    received = asyncio.run(exchange(gateway.port, raw, quiet_s=1.5))
    places = [received.find(b"echo: " + text) for text in texts]
    assert all(place > 0 for place in places)
    assert places == sorted(places)


def test_slow_heads_are_closed(gateway: Gateway) -> None:
    """Clients that trickle a head are closed at `header_timeout_s`, whatever they trickle, and others are served meanwhile."""
    count = rounds(60)

    async def trickle(number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        head = (b"" if number % 3 == 0 else START + HOST) if number % 3 != 2 else START + HOST + b"X-Slow: "
        closed = asyncio.ensure_future(reader.read())
        with contextlib.suppress(ConnectionError):
            writer.write(head)
            for _ in range(100):
                done, _ = await asyncio.wait({closed}, timeout=0.1)
                if done:
                    break
                if number % 3 == 2:
                    writer.write(b"a")
        ended = closed.done()
        closed.cancel()
        writer.transport.abort()
        return ended

    async def main() -> tuple[int, int]:
        clients = [asyncio.create_task(trickle(number)) for number in range(count)]
        answer = await post(gateway.port, "/v1/chat/completions", BODY)
        return sum(await asyncio.gather(*clients)), answer.status

    closed, status = asyncio.run(main())
    figure("S2 slow", f"{closed} of {count} slow clients closed (header timeout 1 s), others served meanwhile: {status == 200}")
    assert (closed, status) == (count, 200)


def test_a_declared_body_too_large_is_refused_unread(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    received = asyncio.run(exchange(gateway.port, framed(b"Content-Length: 99999999999\r\n"), quiet_s=2))
    assert statuses(received) == [413]
    assert b"request_too_large" in received
    assert upstream.calls() == []
