"""`examples/record.py` against a service of its own: what it says is recorded, plays back, and is graded."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from bench._flow_examples import FOLDER, NAMES, Played, as_agent, as_flow, cases, recordings
from examples.record import main

from farthing.models.recordings import Recording
from farthing.models.tokens import TokenCounter
from tests.fakes.loopback import LoopbackServer, Received, Responder


def answering() -> LoopbackServer:
    """A model of few words: an agent that looks once and then answers, and everything else answered at once."""

    async def handle(received: Received, out: Responder) -> None:
        turns = received.fields["messages"]
        agent = turns[0]["content"].startswith("You are a helpful agent")
        text = "30 days, and 12 EUR." if not agent else "ANSWER 30 days, truly." if len(turns) > 2 else "CALL open returns"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "real-1", "choices": [choice], "usage": usage}
        out.whole(200, json.dumps(answer).encode())

    return LoopbackServer(handle)


def test_a_model_s_own_answers_take_the_place_of_those_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEY_OF_IT", "sk-upstream")
    with answering() as upstream:
        code = main(["faq", "--model", "real-1", "--base-url", f"{upstream.base_url}/v1", "--key-env", "KEY_OF_IT", "--to", str(tmp_path)])
        asked = [received.fields["model"] for received in upstream.requests]
        keys = {received.header("authorization") for received in upstream.requests}
    told = capsys.readouterr()
    assert code == 0, told.err
    assert set(asked) == {"real-1"}
    assert keys == {"Bearer sk-upstream"}
    assert "agent right in 2 flow right in 1 calls: How long do I have to return shoes?" in told.out
    assert "WRONG" in told.out
    path = tmp_path / "faq.recordings.jsonl"
    lines = [msgspec.json.decode(line, type=Recording) for line in path.read_text().splitlines()]
    assert all(line.source is not None and line.source.startswith("real-1 at http://127.0.0.1") for line in lines)
    case, tokens = next(case for case in cases("faq") if "shoes" in case.text), TokenCounter()
    agent = asyncio.run(as_agent("faq", case, tokens, lambda clock, tokens: Played("faq", clock, tokens, path)))
    flow, _ = asyncio.run(as_flow("faq", case, tokens, lambda clock, tokens: Played("faq", clock, tokens, path)))
    assert (agent.answer, agent.calls, flow.answer, flow.calls) == ("30 days, truly.", 2, "30 days, and 12 EUR.", 1)
    assert agent.tokens == [(50, 5), (50, 5)]
    assert agent.latency_s > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_with_farthing_is_what_the_cases_say(name: str, tmp_path: Path) -> None:
    """Whoever changes a case, or what the model is shown, records again: `python examples/record.py --by-hand`."""
    assert main([name, "--by-hand", "--to", str(tmp_path)]) == 0
    assert (tmp_path / f"{name}.recordings.jsonl").read_text() == recordings(name).read_text()


def test_a_call_of_a_flow_that_fails_leaves_the_file_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flow itself would go on without that step."""

    async def handle(received: Received, out: Responder) -> None:
        if not received.fields["messages"][0]["content"].startswith("You are a helpful agent"):
            out.whole(400, b'{"error": {"message": "no such parameter"}}')
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": "ANSWER yes"}, "finish_reason": "stop"}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "real-1", "choices": [choice]}
        usage = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
        out.whole(200, json.dumps(answer | {"usage": usage}).encode())

    with LoopbackServer(handle) as upstream:
        assert main(["form", "--model", "m", "--base-url", f"{upstream.base_url}/v1", "--key-env", "NONE", "--to", str(tmp_path)]) == 1
    assert "Not recorded:" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_service_that_is_not_there_leaves_the_file_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in FOLDER.glob("*.recordings.jsonl")}
    assert main(["form", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--key-env", "NONE", "--to", str(tmp_path)]) == 1
    assert "Not recorded:" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert {path: path.read_bytes() for path in FOLDER.glob("*.recordings.jsonl")} == before


@pytest.mark.parametrize("arguments", [["nothing", "--by-hand"], ["faq"], ["faq", "--by-hand", "--model", "m"]])
def test_what_it_cannot_do_it_says(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "error:" in capsys.readouterr().err
