"""R5, end to end: whatever the service does, the client gets a typed outcome in its dialect, no answer hangs, and the ledger has exactly one row.

Every fault of `fault_server.py` is a service of one gateway. It is asked by an OpenAI client (the service's own dialect) and by an
Anthropic client (translated), whole and streaming.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fakes.figures import figure
from tests.fakes.gateway import Gateway, poll, sse_events
from tests.fakes.http_client import Answer, Connection
from tests.reliability.fault_server import FAULTS, FaultServer

DEADLINE_S = 4.0
MOST_S = DEADLINE_S + 0.5 + 4.0  # what a busy machine may add to the promise of deadline + 0.5 s
SEATS = 12
TYPED = {"upstream_error", "truncated", "invalid_answer"}
# Native streams pass untouched, whatever is between their events; translated ones are understood first.
PASSED_ON = {"garbage_json"}
# The bytes are odd, but a reader of the dialect understands them.
SOUND = {"interim_responses", "smuggled_second_answer", "big_event"}
MAY_PASS = SOUND | {"bad_utf8", "negative_usage", "usage_twice", "no_done"}


@dataclass(frozen=True, slots=True)
class Case:
    fault: str
    path: str
    stream: bool

    @property
    def run(self) -> str:
        return f"{self.fault} {self.path} {'stream' if self.stream else 'whole'}"

    @property
    def body(self) -> bytes:
        fields = {"model": self.fault, "max_tokens": 10_000_000, "messages": [{"role": "user", "content": "hi"}], "stream": self.stream}
        return json.dumps(fields).encode()


CASES = [Case(fault, path, stream) for fault in FAULTS for path in ("/v1/chat/completions", "/v1/messages") for stream in (False, True)]


@dataclass(frozen=True, slots=True)
class Seen:
    case: Case
    answer: Answer | None  # None: the connection was cut
    seconds: float


def _service(name: str, server: FaultServer) -> str:
    settings = {"connect_timeout_s": 0.3, "first_byte_timeout_s": 0.4, "idle_timeout_s": 0.4, **server.fault.settings}
    lines = [f"[services.{name}]", f'base_url = "{server.base_url}"', f'models = ["{name}"]']
    lines += [f"{key} = {value}" for key, value in settings.items()]
    lines += [f'ca_file = "{server.ca_file}"'] if server.ca_file else []
    return "\n".join(lines)


async def _ask(gateway: Gateway, case: Case, seats: asyncio.Semaphore) -> Seen:
    async with seats:
        begun = time.monotonic()
        answer = None
        with contextlib.suppress(ConnectionError):
            async with Connection(gateway.port) as connection:
                await connection.send("POST", case.path, case.body, {"x-farthing-run": case.run})
                answer = await asyncio.wait_for(connection.answer(), 60)
        return Seen(case, answer, time.monotonic() - begun)


async def _play(gateway_of: list[Gateway]) -> list[Seen]:
    """Every case against one gateway, and every connection to a service gone in the end."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(FaultServer(fault)) for name, fault in FAULTS.items()}
        config = f"[resilience]\ndeadline_s = {DEADLINE_S}\n" + "\n".join(_service(name, server) for name, server in servers.items())
        gateway = Gateway(config)
        gateway_of.append(gateway)
        await asyncio.to_thread(gateway.start)
        seats = asyncio.Semaphore(SEATS)
        seen = await asyncio.gather(*(_ask(gateway, case, seats) for case in CASES))
        await asyncio.to_thread(poll, lambda: not gateway.query("select * from intents"), 10.0, "the settlement of all requests")
        await asyncio.to_thread(gateway.stop)
        for server in servers.values():
            await asyncio.wait_for(server.quiet(), 10)
        return seen


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Gateway, list[Seen]]]:
    gateways: list[Gateway] = []
    seen = asyncio.run(_play(gateways))
    yield gateways[0], seen
    gateways[0].__exit__()


def test_every_fault_has_a_typed_outcome(played: tuple[Gateway, list[Seen]]) -> None:
    _, seen = played
    wrong = {one.case.run: problem for one in seen if (problem := _problem(one))}
    figure("R5 faults", f"{len(FAULTS)} faults x 2 dialects x whole and stream: {len(wrong)} of {len(seen)} without a typed outcome")
    assert wrong == {}


def _problem(one: Seen) -> str | None:
    """What is wrong with this outcome, or None."""
    answer, fault = one.answer, FAULTS[one.case.fault]
    if answer is None:
        return "the connection was cut"
    if answer.status != 200:
        return _problem_of_error(answer, one.case, fault.status)
    if one.case.stream:
        return _problem_of_stream(answer, one.case)
    return _problem_of_whole(answer, one.case)


def _problem_of_error(answer: Answer, case: Case, status: int | None) -> str | None:
    try:
        error = answer.fields["error"]
    except (ValueError, KeyError):
        # An upstream's own error page may pass as it is; it must be that one.
        return None if answer.status == status else f"status {answer.status} without an error object: {answer.body[:80]!r}"
    if case.fault in SOUND:
        return f"an error for a sound answer: {error}"
    if answer.status == 500 and status != 500:
        return f"our own failure: {error}"
    if case.path == "/v1/messages" and answer.fields.get("type") != "error":
        return f"not in the client's dialect: {answer.body[:80]!r}"
    return None if error.get("message") and error.get("type") else f"no message or type: {error}"


def _problem_of_whole(answer: Answer, case: Case) -> str | None:
    if case.fault not in MAY_PASS:
        return f"passed as a success: {answer.body[:80]!r}"
    try:
        fields = json.loads(answer.body.decode("utf-8", "replace"))
    except ValueError:
        return f"no JSON: {answer.body[:80]!r}"
    return None if ("choices" if "chat" in case.path else "content") in fields else f"no answer: {answer.body[:80]!r}"


def _problem_of_stream(answer: Answer, case: Case) -> str | None:
    events = list(sse_events(answer.body.replace(b"\xff", b"?").replace(b"\xfe", b"?")))
    failed = any(name == "error" or data.startswith('{"error"') or '"type":"error"' in data for name, data in events)
    ended = any(data == "[DONE]" or name == "message_stop" for name, data in events)
    if case.fault in SOUND and (failed or not ended):
        return f"a sound stream ended badly: {answer.body[-120:]!r}"
    if case.fault not in MAY_PASS and not failed and not (case.fault in PASSED_ON and case.path == "/v1/chat/completions"):
        return f"a broken stream ended without an error: {answer.body[-120:]!r}"
    return None if failed or ended else f"ended silently: {answer.body[-120:]!r}"


def test_nothing_hangs(played: tuple[Gateway, list[Seen]]) -> None:
    _, seen = played
    slowest = max(seen, key=lambda one: one.seconds)
    figure("R5 deadline", f"slowest outcome after {slowest.seconds:.2f} s of a deadline of {DEADLINE_S} s ({slowest.case.run})")
    assert slowest.seconds < MOST_S


def test_exactly_one_row_each(played: tuple[Gateway, list[Seen]]) -> None:
    gateway, seen = played
    rows: dict[str, list[dict[str, object]]] = {}
    for row in gateway.rows():
        rows.setdefault(str(row["run_id"]), []).append(row)
    assert {run: len(found) for run, found in rows.items() if len(found) != 1} == {}
    assert rows.keys() == {one.case.run for one in seen}
    untrue = {one.case.run: rows[one.case.run][0]["outcome"] for one in seen if not _true(one, rows[one.case.run][0])}
    figure("R5 ledger", f"{len(rows)} rows for {len(seen)} requests, {len(untrue)} untrue")
    assert untrue == {}


def _true(one: Seen, row: dict[str, object]) -> bool:
    """The row says what the client saw."""
    assert one.answer is not None
    failed = one.answer.status != 200 or b'"error"' in one.answer.body
    return (row["outcome"] in TYPED and bool(row["error_code"])) if failed else row["outcome"] == "ok"


def test_nothing_unforeseen_was_logged(played: tuple[Gateway, list[Seen]]) -> None:
    gateway, _ = played
    assert "unforeseen" not in gateway.log
    assert "Traceback" not in gateway.log
    assert "was never retrieved" not in gateway.log
