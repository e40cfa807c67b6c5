"""S7: bodies made to hurt the one who reads them are refused or served, cheaply."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.figures import figure
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Answer, get, post
from tests.fakes.upstream import FakeUpstream

CPU_LIMIT_S = 1.0
MEMORY_LIMIT_MB = 150
TICK = os.sysconf("SC_CLK_TCK")


def wrap(inner: str, name: str = "future") -> bytes:
    start = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0,'
    return f'{start}"{name}":{inner}}}'.encode("utf-8", "surrogatepass")


def schema(inner: str) -> bytes:
    return wrap('{"type":"json_schema","json_schema":{"name":"r","schema":' + inner + "}}", "response_format")


DEEP = 200_000
REFUSED: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: wrap("[" * DEEP + "]" * DEEP),
    "deep lists, not closed": lambda: wrap("[" * DEEP),
    "deep objects": lambda: wrap('{"a":' * DEEP + "1" + "}" * DEEP),
    "deep mix": lambda: wrap('[{"a":' * DEEP + "1" + "}]" * DEEP),
    "deep from the first byte": lambda: b"[" * DEEP,
    "brackets in an open string": lambda: wrap('"' + "[" * DEEP),
    "body of 25 MB": lambda: wrap('"' + "a" * 25_000_000 + '"'),
    "100,000 messages": lambda: b'{"model":"gpt-4o-mini","messages":[' + b",".join([b'{"role":"user","content":"x"}'] * 100_000) + b"]}",
    "not UTF-8": lambda: wrap('"a"').replace(b'"hi"', b'"\xff\xfe\xc0\x80"'),
    "UTF-16": lambda: wrap('"a"').decode().encode("utf-16"),
    "NaN": lambda: wrap("NaN"),
    "Infinity": lambda: wrap("-Infinity"),
    "nothing": lambda: b"",
    "only blanks": lambda: b" " * 1_000_000,
    "a number": lambda: b"1" * 1_000_000,
    "two documents": lambda: wrap("1") * 2,
    "model as an object": lambda: b'{"model":{"a":1},"messages":[{"role":"user","content":"hi"}]}',
    "temperature beyond numbers": lambda: wrap("1").replace(b'"temperature":0', b'"temperature":1e999999'),
}
BOUNDED: dict[str, Callable[[], bytes]] = {
    "number of 100,000 digits": lambda: wrap("9" * 100_000),
    "exponent of 100,000 digits": lambda: wrap("1e" + "9" * 100_000),
    "100,000 keys": lambda: wrap("{" + ",".join(f'"k{number}":1' for number in range(100_000)) + "}"),
    "100,000 equal keys": lambda: wrap("{" + ",".join(['"k":1'] * 100_000) + "}"),
    "list of a million": lambda: wrap("[" + "1," * 1_000_000 + "1]"),
    "million escapes": lambda: wrap('"' + "\\u0000" * 1_000_000 + '"'),
    "brackets in a string": lambda: wrap('"' + "[{" * 500_000 + '"'),
    "message of 5 MB": lambda: wrap("1").replace(b'"hi"', b'"' + b"word " * 1_000_000 + b'"'),
    "evil for backtracking": lambda: wrap("1").replace(b'"hi"', b'"' + b"a" * 100_000 + b"!@" + b"1" * 100_000 + b'"'),
    "addresses without end": lambda: wrap("1").replace(b'"hi"', b'"' + b"a@" * 200_000 + b'"'),
    "evil pattern in a schema": lambda: schema('{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}'),
    "schema that refers to itself": lambda: schema('{"$ref":"#"}'),
    "schema that refers in a ring": lambda: schema('{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}'),
    "schema from elsewhere": lambda: schema('{"$ref":"http://127.0.0.1:1/secret"}'),
    "schema from a file": lambda: schema('{"$ref":"file:///etc/passwd"}'),
    "schema that doubles": lambda: schema('{"$ref":"#/$defs/a0","$defs":{' + _doubling(24) + "}}"),
    "schema of 20,000 choices": lambda: schema('{"enum":' + json.dumps([str(number) for number in range(20_000)]) + "}"),
}


def _doubling(levels: int) -> str:
    steps = [f'"a{n}":{{"allOf":[{{"$ref":"#/$defs/a{n + 1}"}},{{"$ref":"#/$defs/a{n + 1}"}}]}}' for n in range(levels)]
    return ",".join([*steps, f'"a{levels}":{{"type":"object"}}'])


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV) as running:
        yield running


def _cpu_s(gateway: Gateway) -> float:
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _memory_mb(gateway: Gateway) -> float:
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


def _throw(gateway: Gateway, bombs: dict[str, Callable[[], bytes]]) -> tuple[dict[str, Answer], float, float]:
    """Answers, the most CPU seconds that one bomb took, and the memory in MB that all of them left."""
    asyncio.run(post(gateway.port, "/v1/chat/completions", wrap("1")))
    answers, worst, memory = {}, 0.0, _memory_mb(gateway)
    for name, make in bombs.items():
        body, before = make(), _cpu_s(gateway)
        answers[name] = asyncio.run(asyncio.wait_for(post(gateway.port, "/v1/chat/completions", body), 20))
        worst = max(worst, _cpu_s(gateway) - before)
        assert asyncio.run(get(gateway.port, "/healthz")).status == 200
    return answers, worst, _memory_mb(gateway) - memory


def test_bombs_are_refused(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    answers, worst, memory = _throw(gateway, REFUSED)
    figure("S7 bombs", f"{len(REFUSED)} refused, {worst * 1000:.0f} ms CPU at worst, {memory:+.0f} MB in all")
    assert {name: answer.status for name, answer in answers.items() if not 400 <= answer.status < 500} == {}
    assert all(answer.fields["error"]["type"] == "invalid_request_error" for answer in answers.values())
    assert len(upstream.calls()) == 1  # the harmless one before them
    assert worst < CPU_LIMIT_S
    assert memory < MEMORY_LIMIT_MB


def test_heavy_bodies_are_bounded(gateway: Gateway) -> None:
    answers, worst, memory = _throw(gateway, BOUNDED)
    figure("S7 heavy", f"{len(BOUNDED)} answered, {worst * 1000:.0f} ms CPU at worst, {memory:+.0f} MB in all")
    assert {name: answer.status for name, answer in answers.items() if answer.status not in (200, 400, 413, 502)} == {}
    assert "unforeseen" not in gateway.log
    assert worst < CPU_LIMIT_S
    assert memory < MEMORY_LIMIT_MB
