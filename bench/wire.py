"""Wire: CPU of reading, changing and translating bodies, streams and answers.

python bench/wire.py
"""

import json
import time
import timeit
from collections.abc import Callable

from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.canonical import canonical
from farthing.wire.dialects import LANGUAGES, translate_request
from farthing.wire.patch import patch
from farthing.wire.peek import peek
from farthing.wire.sse import encode
from farthing.wire.tap import Tap
from farthing.wire.whole import read_account

CHUNKS = 30
SENTENCE = "I moved about 40 GB of photos into a shared folder yesterday and since then the client says syncing 3 of 12,871 files. "
CHAT = json.dumps(
    {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "messages": [{"role": "system", "content": SENTENCE * 3}, {"role": "user", "content": SENTENCE * 8}],
        "max_tokens": 200,
    }
).encode()
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": SENTENCE * 6}, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 150, "total_tokens": 450, "prompt_tokens_details": {"cached_tokens": 0}},
    }
).encode()


def show(name: str, call: Callable[[], object], number: int = 500) -> None:
    best = min(timeit.repeat(call, timer=time.process_time, number=number, repeat=5)) / number
    print(f"wire {name:56}{best * 1e6:9.1f} us")


def agent_body(size: int) -> bytes:
    """A long conversation with tools, as agents send it."""
    turn = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": 'def f(x):\n    return "a\\\\b" + x\n' * 40}]}
    tools = [{"name": f"tool_{number}", "description": SENTENCE, "input_schema": {"type": "object", "properties": {}}} for number in range(20)]
    turns = [turn, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "tool_1", "input": {}}]}]
    return json.dumps({"model": "claude-x", "max_tokens": 9, "tools": tools, "messages": turns * (size // len(json.dumps(turns)))}).encode()


def chat_stream() -> list[bytes]:
    """The events of an answer in thirty pieces, usage and end included."""
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}

    def event(**fields: object) -> bytes:
        return encode(json.dumps({**frame, **fields}).encode())

    def choice(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
        return {"index": 0, "delta": delta, "finish_reason": finish}

    pieces = [event(choices=[choice({"content": f" word{number}"})]) for number in range(CHUNKS)]
    usage = event(choices=[], usage={"prompt_tokens": 300, "completion_tokens": CHUNKS, "total_tokens": 330})
    return [event(choices=[choice({"role": "assistant", "content": ""})]), *pieces, event(choices=[choice({}, "stop")]), usage, encode(b"[DONE]")]


def tapped(events: list[bytes], at_once: int) -> None:
    """A native stream, `at_once` events in a packet."""
    tap = Tap(Dialect.CHAT, wants_usage=True)
    for packet in packets(events, at_once):
        tap.feed(packet)
    tap.end()
    tap.finish(None)


def packets(events: list[bytes], at_once: int) -> list[bytes]:
    return [b"".join(events[start : start + at_once]) for start in range(0, len(events), at_once)]


def translated(events: list[bytes], target: Dialect) -> None:
    """A chat stream on its way to a caller of another dialect, event by event."""
    reader, writer = LANGUAGES[Dialect.CHAT].reader(), LANGUAGES[target].writer("req_1", 1)
    for packet in events:
        for event in reader.feed(packet):
            writer.feed(event)
    writer.end(Usage(300, CHUNKS), "stop", None, None)


def main() -> None:
    size, agent, events = f"{len(CHAT) / 1024:.1f} KB", agent_body(200_000), chat_stream()
    show(f"peek, chat request of {size}", lambda: peek(Dialect.CHAT, CHAT, json_depth=64, max_messages=2048))
    show(f"peek, agent request of {len(agent) / 1024:.0f} KB", lambda: peek(Dialect.MESSAGES, agent, json_depth=64, max_messages=2048), 20)
    show(f"canonical, {size}", lambda: canonical(Dialect.CHAT, CHAT))
    show(f"patch, a field replaced, {size}", lambda: patch(CHAT, {"model": b'"gpt-4o"'}))
    show(f"patch, a field added, {size}", lambda: patch(CHAT, {"stream_options": b"{}"}))
    show(f"patch, a field removed, {size}", lambda: patch(CHAT, {"temperature": None}))
    show(f"whole, account of an answer of {len(ANSWER) / 1024:.1f} KB", lambda: read_account(Dialect.CHAT, ANSWER))
    show(f"tap, {CHUNKS} chunks in one packet and the end", lambda: tapped(events, len(events)))
    show(f"tap, {CHUNKS} chunks one by one and the end", lambda: tapped(events, 1))
    for target in (Dialect.MESSAGES, Dialect.RESPONSES):
        show(f"translate, request to {target.value}", lambda target=target: translate_request(Dialect.CHAT, target, CHAT, model="m", stream=False))
        show(f"translate, stream of {CHUNKS} chunks to {target.value}", lambda target=target: translated(events, target))
        answer = LANGUAGES[Dialect.CHAT].parse_answer(ANSWER)
        show(f"translate, whole answer to {target.value}", lambda target=target, answer=answer: render(target, answer))


def render(target: Dialect, answer: object) -> bytes:
    return LANGUAGES[target].render_answer(answer, request_id="req_1", created=1)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
