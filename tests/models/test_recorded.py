"""The recorded backend: what it finds, what it says when it finds nothing, and that its answers are OpenAI's shape."""

import asyncio
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.errors import (
    InvalidRequest,
    RecordedAnswerMissing,
    UnsupportedFeature,
    Upstream,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from farthing.core.request import Dialect
from farthing.models.recorded import RecordedBackend
from farthing.models.recordings import RecordedUsage, Recording, family

ANSWER = "Paris is the capital of France."
CAPITAL = Recording(prompt="Capital of France?", model="gpt-4o-mini-2024-07-18", answer=ANSWER)
COUNTED = Recording(
    prompt="Count", model="big", answer="one two three four", usage=RecordedUsage(7, 8, reasoning_tokens=4), first_token_s=0.5, per_token_s=0.1
)
PIRATE = Recording(prompt="Greet", model="big", answer="Ahoy", system="Talk like a pirate.")
PLAIN = Recording(prompt="Greet", model="big", answer="Hello")
CUT = Recording(prompt="Tell all", model="big", answer="All is", finish="length")
EXCHANGES = (CAPITAL, COUNTED, PIRATE, PLAIN, CUT)


class Pauses:
    """Time that passes only when the backend waits."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.clock.advance(seconds)


def write(path: Path, exchanges: Sequence[Recording] = EXCHANGES) -> str:
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in exchanges))
    return str(path)


def backend(path: str, playback: str = "instant", pauses: Pauses | None = None) -> RecordedBackend:
    pauses = pauses or Pauses()
    return RecordedBackend(
        Service(dialect="recorded", recordings=(path,), playback=playback),
        clock=pauses.clock,
        pause=pauses,  # pyright: ignore[reportArgumentType]
    )


def call(prompt: object, model: str = "big", *, system: str | None = None, stream: bool = False, left_s: float = 60, **fields: object) -> Call:
    messages = [{"role": "system", "content": system}] if system is not None else []
    body = {"model": model, "messages": [*messages, {"role": "user", "content": prompt}], "stream": stream, **fields}
    deadline_s = FrozenClock().monotonic() + left_s
    return Call("rec", model, Dialect.CHAT, msgspec.json.encode(body), stream, deadline_s, "req_1")


def ask(source: RecordedBackend, one: Call) -> dict[str, Any]:
    async def asked() -> bytes:
        return await (await source.send(one)).read()

    return msgspec.json.decode(asyncio.run(asked()))


def stream(source: RecordedBackend, one: Call) -> tuple[list[dict[str, Any]], list[bytes]]:
    async def asked() -> list[bytes]:
        return [piece async for piece in await source.send(one)]

    pieces = asyncio.run(asked())
    lines = b"".join(pieces).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [msgspec.json.decode(line.removeprefix("data: ")) for line in lines[:-2]], pieces


def text(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write(tmp_path / "exchanges.jsonl")


@pytest.mark.parametrize("model", ["gpt-4o-mini-2024-07-18", "gpt-4o-mini", "openai/gpt-4o-mini", "GPT-4o-mini-latest"])
def test_a_model_is_found_by_its_family(path: str, model: str) -> None:
    answer = ask(backend(path), call("Capital of France?", model))
    assert text(answer) == ANSWER
    assert answer["model"] == "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku"),
        ("claude-3-5-haiku@20241022", "claude-3-5-haiku"),
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_family(name: str, expected: str) -> None:
    assert family(name) == expected


def test_prompt_in_parts_and_with_space_around(path: str) -> None:
    parts = [{"type": "text", "text": " Capital of"}, {"type": "text", "text": " France?\n"}]
    assert text(ask(backend(path), call(parts, "gpt-4o-mini"))) == ANSWER


@pytest.mark.parametrize(("system", "expected"), [("Talk like a pirate.", "Ahoy"), (None, "Hello"), ("Talk like a poet.", "Hello")])
def test_a_recorded_system_prompt_must_match(path: str, system: str | None, expected: str) -> None:
    assert text(ask(backend(path), call("Greet", system=system))) == expected


def test_first_of_two_alike_counts(tmp_path: Path) -> None:
    again = msgspec.structs.replace(CAPITAL, answer="Lyon")
    assert text(ask(backend(write(tmp_path / "two.jsonl", (CAPITAL, again))), call("Capital of France?", "gpt-4o-mini"))) == ANSWER


def test_whole_answer_has_openais_shape(path: str) -> None:
    answer = ask(backend(path), call("Count"))
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 8,
        "total_tokens": 15,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


def test_usage_that_was_not_recorded_is_counted(path: str) -> None:
    usage = ask(backend(path), call("Capital of France?", "gpt-4o-mini", system="Be brief."))["usage"]
    assert usage["completion_tokens"] == 7
    assert usage["prompt_tokens"] == 3 + (4 + 3) + (4 + 4)  # the answer's opening, then each message with its frame


def test_stream_has_openais_shape(path: str) -> None:
    chunks, pieces = stream(backend(path), call("Capital of France?", "gpt-4o-mini", stream=True))
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == ANSWER
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all("usage" not in chunk for chunk in chunks)
    assert pieces[0].count(b"data: ") == 1


def test_stream_ends_with_usage_when_asked(path: str) -> None:
    chunks, _ = stream(backend(path), call("Count", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 8
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_limit_cuts_the_answer_and_says_so(path: str, limit: str, streaming: bool) -> None:
    one = call("Count", stream=streaming, stream_options={"include_usage": True}, **{limit: 4})
    if streaming:
        chunks, _ = stream(backend(path), one)
        said, finish, usage = (
            "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]),
            chunks[-2]["choices"][0]["finish_reason"],
            chunks[-1]["usage"],
        )
    else:
        answer = ask(backend(path), one)
        said, finish, usage = text(answer), answer["choices"][0]["finish_reason"], answer["usage"]
    assert (said, finish) == ("one two", "length")
    assert usage["completion_tokens"] == 4
    assert "completion_tokens_details" not in usage


def test_a_limit_that_is_not_reached_changes_nothing(path: str) -> None:
    answer = ask(backend(path), call("Count", max_tokens=8))
    assert (text(answer), answer["choices"][0]["finish_reason"]) == ("one two three four", "stop")


def test_a_recorded_cut_stays_one(path: str) -> None:
    assert ask(backend(path), call("Tell all"))["choices"][0]["finish_reason"] == "length"


def test_instant_playback_never_waits(path: str) -> None:
    pauses = Pauses()
    stream(backend(path, "instant", pauses), call("Count", stream=True))
    assert pauses.slept == []


def test_timed_stream_keeps_the_recorded_pace(path: str) -> None:
    pauses = Pauses()
    stream(backend(path, "timed", pauses), call("Count", stream=True))
    assert pauses.slept == [0.5, 0.1, 0.1, 0.1, 0.1]


def test_timed_whole_answer_takes_as_long_as_its_tokens(path: str) -> None:
    pauses = Pauses()
    ask(backend(path, "timed", pauses), call("Count"))
    assert pauses.slept == [1.3]


def test_timed_without_recorded_times_comes_at_once(path: str) -> None:
    pauses = Pauses()
    ask(backend(path, "timed", pauses), call("Greet"))
    assert pauses.slept == []


def test_a_slow_stream_ends_at_the_deadline(path: str) -> None:
    pauses, got = Pauses(), bytearray()

    async def read() -> None:
        async for piece in await backend(path, "timed", pauses).send(call("Count", stream=True, left_s=0.65)):
            got.extend(piece)

    with pytest.raises(UpstreamTimeout):
        asyncio.run(read())
    assert sum(pauses.slept) == pytest.approx(0.65)
    assert b'"content":"one"' in got
    assert b"[DONE]" not in got


def test_a_closed_reply_says_no_more(path: str) -> None:
    async def read() -> list[bytes]:
        reply = await backend(path).send(call("Count", stream=True))
        got: list[bytes] = []
        async for piece in reply:
            got.append(piece)
            reply.close()
        return got

    assert len(asyncio.run(read())) == 1


def test_a_missing_prompt_names_files_and_models(path: str) -> None:
    with pytest.raises(RecordedAnswerMissing) as missing:
        ask(backend(path), call("Never asked", "gpt-4o"))
    assert Path(path).name in missing.value.message
    assert path not in missing.value.message
    assert "'gpt-4o'" in missing.value.message
    assert "big, gpt-4o-mini-2024-07-18" in missing.value.message
    assert "Never asked" not in missing.value.message


def test_a_prompt_recorded_for_another_model_says_for_which(path: str) -> None:
    with pytest.raises(RecordedAnswerMissing, match="recorded for it: gpt-4o-mini-2024-07-18"):
        ask(backend(path), call("Capital of France?", "big"))


def test_embeddings_are_refused(path: str) -> None:
    one = msgspec.structs.replace(call("Count"), dialect=Dialect.EMBEDDINGS)
    with pytest.raises(UnsupportedFeature, match="Name a model of another service"):
        ask(backend(path), one)
    assert backend(path).dialects() == {Dialect.CHAT}


def test_more_than_one_choice_is_refused(path: str) -> None:
    with pytest.raises(UnsupportedFeature):
        ask(backend(path), call("Count", n=2))


def test_a_body_that_is_no_chat_request_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        ask(backend(path), msgspec.structs.replace(call("Count"), body=b'{"model": 3}'))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, UpstreamUnreachable, "cannot be read"),
        (b'{"prompt": "p", "model": "m"}\n', UpstreamBroken, "line 1"),
        (b"\n{\n", UpstreamBroken, "line 2"),
    ],
)
def test_files_that_hold_no_exchanges(tmp_path: Path, content: bytes | None, error: type[Upstream], message: str) -> None:
    path = tmp_path / "broken.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        asyncio.run(backend(str(path)).warm())


def test_long_lines_and_a_last_line_without_end(tmp_path: Path) -> None:
    long = Recording(prompt="Long", model="big", answer="word " * 20_000)
    path = tmp_path / "long.jsonl"
    path.write_bytes(msgspec.json.encode(PLAIN) + b"\n\n" + msgspec.json.encode(long))
    assert text(ask(backend(str(path)), call("Long"))) == long.answer


def test_parquet_pairs_with_scores(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    tables = {
        "prompts": {"prompt_id": ["a", "b"], "prompt": ["Capital of France?", "Count"]},
        "cheap_responses": {"prompt_id": ["a", "b", "b"], "model": ["small", "small", "big"], "response": [ANSWER, "", "1 2 3"]},
        "scores": {"prompt_id": ["a", "b"], "model": ["small", "big"], "score": [1.0, 0.5]},
    }
    for part, columns in tables.items():
        parquet.write_table(arrow.table(columns), tmp_path / f"set.{part}.parquet")

    async def found() -> tuple[Recording | None, ...]:
        source = backend(str(tmp_path / "set.prompts.parquet"))
        return await source.find("small", "", "Capital of France?"), await source.find("big", "", "Count"), await source.find("small", "", "Count")

    capital, count, empty = asyncio.run(found())
    assert capital is not None
    assert (capital.answer, capital.score) == (ANSWER, 1.0)
    assert count is not None
    assert (count.answer, count.score) == ("1 2 3", 0.5)
    assert empty is None


def test_half_a_parquet_pair_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "set.prompts.parquet").write_bytes(b"")
    with pytest.raises(UpstreamUnreachable, match=r"set\.cheap_responses\.parquet is missing"):
        asyncio.run(backend(str(tmp_path / "set.prompts.parquet")).warm())


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_that_is_none_says_so(tmp_path: Path) -> None:
    for part in ("prompts", "cheap_responses"):
        (tmp_path / f"set.{part}.parquet").write_bytes(b"not parquet")
    with pytest.raises(UpstreamBroken, match="cannot be read"):
        asyncio.run(backend(str(tmp_path / "set.prompts.parquet")).warm())
