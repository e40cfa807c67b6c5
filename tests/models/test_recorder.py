"""What is written down plays back as it was said, after the same turns, in the time that it took."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.recorded import RecordedBackend
from farthing.models.recorder import Recorder
from farthing.models.recordings import RecordedUsage, Recording

USAGE = {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}


class Piecewise:
    content_type, service_request_id, attempts, queue_s = "application/json", "up_1", 2, 0.25
    price_factor: Decimal | None = None

    def __init__(self, pieces: Sequence[bytes], clock: FrozenClock) -> None:
        self._pieces, self._clock = pieces, clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self._clock.advance(0.5)
            yield piece

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    def close(self) -> None: ...


class Says:
    """Every call gets the same pieces, half a second each."""

    def __init__(self, *pieces: bytes) -> None:
        self.clock = FrozenClock()
        self._pieces = pieces

    async def send(self, call: Call) -> Piecewise:
        del call
        return Piecewise(self._pieces, self.clock)

    def dialects(self, service: str) -> frozenset[Dialect]:
        return frozenset({Dialect.CHAT} if service == "s" else ())

    def crowd(self, target: Target) -> float:
        del target
        return 0.5

    def healthy(self, target: Target) -> bool:
        return target.model == "m"


def whole(message: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m-2026-01-01", "choices": [choice], "usage": USAGE}).encode()


def chunks(*texts: str, ended: bool = True) -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-2026-01-01"}
    made = [{**head, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts]
    made += [{**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}, {**head, "choices": [], "usage": USAGE}]
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in made]
    return [*lines, b"data: [DONE]\n\n"] if ended else lines[:-2]


def call(*turns: tuple[str, str], stream: bool = False, **fields: Any) -> Call:
    body = {"model": "m", "messages": [{"role": role, "content": text} for role, text in turns], **fields}
    return Call("s", "m", Dialect.CHAT, json.dumps(body).encode(), stream, 1e9, "req_1")


ASKED = (("system", "Be brief."), ("user", "Who?"), ("assistant", "Ada."), ("user", "When?"))


def recorded(upstream: Says, asked: Call, *, source: str | None = None) -> tuple[list[Recording], bytes, Recorder]:
    lines: list[Recording] = []
    recorder = Recorder(upstream, upstream.clock, lines.append, source=source)

    async def main() -> bytes:
        reply = await recorder.send(asked)
        assert (reply.attempts, reply.queue_s, reply.service_request_id) == (2, 0.25, "up_1")
        return b"".join([piece async for piece in reply]) if asked.stream else await reply.read()

    return lines, asyncio.run(main()), recorder


def test_a_whole_answer_is_one_line_with_what_was_said_before_it() -> None:
    body = whole({"content": "In 1843."})
    lines, passed, _ = recorded(Says(body), call(*ASKED), source="m at home")
    assert passed == body
    assert lines == [
        Recording(
            prompt="When?",
            model="m-2026-01-01",
            answer="In 1843.",
            system="Be brief.",
            before=("Who?", "Ada."),
            usage=RecordedUsage(7, 4),
            per_token_s=0.125,
            source="m at home",
        )
    ]


def test_a_stream_passes_piece_by_piece_and_has_its_first_token_s_time() -> None:
    pieces = chunks("In ", "1843.")
    lines, passed, _ = recorded(Says(*pieces), call(*ASKED, stream=True))
    assert passed == b"".join(pieces)
    (line,) = lines
    assert (line.answer, line.finish, line.first_token_s, line.per_token_s) == ("In 1843.", "length", 0.5, 0.5)


def test_what_a_line_cannot_hold_is_counted() -> None:
    wants = {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    for body, asked in (
        ((whole(wants, "tool_calls"),), call(*ASKED)),
        ((whole({"content": "x"}),), call(*ASKED, n=2)),
        ((whole({"content": None, "refusal": "no"}),), call(*ASKED)),
        ((b"{}",), call(*ASKED)),
        (chunks("In ", ended=False), call(*ASKED, stream=True)),
        ((b"data: {}",), msgspec.structs.replace(call(*ASKED), dialect=Dialect.EMBEDDINGS)),
    ):
        lines, _, recorder = recorded(Says(*body), asked)
        assert (lines, recorder.unwritten) == ([], 1)


def test_it_stands_where_the_hub_stands() -> None:
    recorder = Recorder(Says(), FrozenClock(), lambda _: None)
    assert (recorder.dialects("s"), recorder.dialects("x")) == (frozenset({Dialect.CHAT}), frozenset())
    assert (recorder.crowd(Target("s", "m")), recorder.healthy(Target("s", "m")), recorder.healthy(Target("s", "x"))) == (0.5, True, False)


def test_it_plays_back_after_the_same_turns_and_after_no_others(tmp_path: Path) -> None:
    lines, _, _ = recorded(Says(whole({"content": "In 1843."})), call(*ASKED))
    alone, _, _ = recorded(Says(whole({"content": "When what?"})), call(ASKED[0], ASKED[3]))
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (*lines, *alone)))
    clock, slept = FrozenClock(), list[float]()

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    backend = RecordedBackend(Service(dialect="recorded", recordings=(str(path),), playback="timed"), clock=clock, pause=pause)

    async def said(asked: Call) -> str:
        return json.loads(await (await backend.send(asked)).read())["choices"][0]["message"]["content"]

    async def main() -> list[str]:
        return [await said(call(*ASKED)), await said(call(ASKED[0], ASKED[3]))]

    assert asyncio.run(main()) == ["In 1843.", "When what?"]
    assert slept == [0.5, 0.5]


def test_a_line_that_says_nothing_of_earlier_turns_answers_after_any(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(msgspec.json.encode(Recording(prompt="When?", model="m", answer="Some day.")) + b"\n")
    backend = RecordedBackend(Service(dialect="recorded", recordings=(str(path),)), clock=FrozenClock())
    reply = asyncio.run(backend.send(call(*ASKED)))
    assert b"Some day." in asyncio.run(reply.read())
