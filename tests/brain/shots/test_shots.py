"""Examples: which are chosen, where they stand, and that nothing else moves."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farthing.brain.flow import journey
from farthing.brain.shots import Shots, marked_examples, most_like, read_examples, with_examples, without_marked
from farthing.config import Endpoint
from farthing.config.context import FewShot, FewShotExample
from farthing.core.errors import ConfigError
from farthing.core.exchange import Exchange
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from farthing.wire.patch import patch
from tests.brain.retrieve.rig import vector
from tests.brain.test_accounting import account
from tests.brain.world import World

EXAMPLES = tuple(
    FewShotExample(input=text, output=label)
    for text, label in (
        ("The lamp arrived broken", "complaint"),
        ("When do you open on Saturday", "question"),
        ("Cancel my order please", "cancel"),
        ("Where is my parcel now", "tracking"),
        ("I want my money back", "refund"),
    )
)
SYSTEM = {"role": "system", "content": "Label the message."}
ASKED = {"role": "user", "content": "the parcel, where is it now"}


class HashEmbedder:
    """By the words of a text; counts what it was asked for."""

    id = "hash:1"

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def embed(self, text: str) -> Any:
        self.texts.append(text)
        return vector(text)


def test_the_nearest_keep_their_order() -> None:
    vectors = [np.array(one, np.float32) for one in ((1, 0), (0, 1), (0.8, 0.6), (-1, 0))]
    assert most_like(vectors, np.array((1, 0), np.float32), 2) == (0, 2)
    assert most_like(vectors, np.array((0, 1), np.float32), 2) == (1, 2)
    assert most_like(vectors, np.array((0, 1), np.float32), 9) == (0, 1, 2, 3)


def placed(dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    raw = json.dumps(body).encode()
    return json.loads(patch(raw, with_examples(dialect, raw, EXAMPLES[:1])))


def test_they_stand_between_system_prompt_and_conversation() -> None:
    shown = [{"role": "user", "content": "The lamp arrived broken"}, {"role": "assistant", "content": "complaint"}]
    assert placed(Dialect.CHAT, {"messages": [SYSTEM, ASKED]})["messages"] == [SYSTEM, *shown, ASKED]
    assert placed(Dialect.MESSAGES, {"system": "s", "messages": [ASKED]}) == {"system": "s", "messages": [*shown, ASKED]}
    assert placed(Dialect.RESPONSES, {"input": "now?"})["input"] == [*shown, {"role": "user", "content": "now?"}]
    assert placed(Dialect.CHAT, {"messages": 3}) == {"messages": 3}


def test_marked_messages_go_in_pairs() -> None:
    named = [
        message
        for one in EXAMPLES
        for message in (
            {"role": "system", "name": "example_user", "content": one.input},
            {"role": "system", "name": "example_assistant", "content": one.output},
        )
    ]
    body = json.dumps({"messages": [SYSTEM, *named, ASKED]}).encode()
    found = marked_examples(Dialect.CHAT, body)
    assert [one.text for one in found] == [one.input for one in EXAMPLES]
    left = json.loads(patch(body, without_marked(Dialect.CHAT, body, found[1:])))["messages"]
    assert left == [SYSTEM, *named[:2], ASKED]


def test_marked_blocks_of_a_system_prompt() -> None:
    blocks = "\n".join(f"<example>\nuser: {one.input}\nlabel: {one.output}\n</example>" for one in EXAMPLES)
    body = json.dumps({"system": f"Label it.\n<examples>\n{blocks}\n</examples>\nBe brief.", "messages": [ASKED]}).encode()
    found = marked_examples(Dialect.MESSAGES, body)
    assert len(found) == len(EXAMPLES)
    system = json.loads(patch(body, without_marked(Dialect.MESSAGES, body, [found[0], found[2], found[4]])))["system"]
    assert [line for line in system.split("\n") if line.startswith("label")] == ["label: question", "label: tracking"]
    assert system.startswith("Label it.\n<examples>\n<example>")
    assert system.endswith("</example>\n</examples>\nBe brief.")


def world_of(settings: FewShot, **changes: Any) -> World:
    world = World(endpoints={"faq": Endpoint(few_shot=settings, **changes)})
    world.house.shots = Shots(HashEmbedder(), {"faq": settings.examples} if settings.examples else {})
    return world


def serve(world: World, messages: list[dict[str, Any]], **fields: Any) -> tuple[Exchange, list[dict[str, Any]]]:
    raw = json.dumps({"model": "small", "temperature": 0.9, "messages": messages}, indent=1).encode()
    x = world.exchange(raw, **{"endpoint": "faq", **fields})
    asyncio.run(journey(x, world.house, world.caller()))
    sent = world.models.calls[-1].body
    return x, json.loads(sent)["messages"] if sent != raw else messages


def test_the_endpoint_s_examples_that_are_most_like_the_question() -> None:
    world = world_of(FewShot(examples=EXAMPLES, keep=2))
    x, sent = serve(world, [SYSTEM, ASKED])
    assert len(sent) == 2 + 4
    assert {"role": "user", "content": "Where is my parcel now"} in sent
    assert (sent[0], sent[-1]) == (SYSTEM, ASKED)
    assert any(one.action == "examples" and one.reason.startswith("2 of 5") for one in x.decisions)
    assert "diet" not in account(world.book.rows[0]).saved, "nobody would have sent all of them"


def test_the_choice_stays_with_the_conversation() -> None:
    world = world_of(FewShot(examples=EXAMPLES, keep=2))
    _, first = serve(world, [SYSTEM, ASKED])
    _, second = serve(world, [SYSTEM, ASKED, {"role": "assistant", "content": "tracking"}, {"role": "user", "content": "I want my money back"}])
    assert second[: len(first)] == first


def test_the_caller_s_marked_examples_are_thinned_out_and_booked() -> None:
    named = [
        {"role": "system", "name": name, "content": text * 3}
        for one in EXAMPLES
        for name, text in (("example_user", one.input), ("example_assistant", one.output))
    ]
    world = world_of(FewShot(keep=1, marked=True))
    x, sent = serve(world, [SYSTEM, *named, ASKED])
    assert [one["content"] for one in sent if "name" in one] == ["Where is my parcel now" * 3, "tracking" * 3]
    assert account(world.book.rows[0]).saved["diet"] > 0
    assert any(one.action == "examples" and one.saved_tokens for one in x.decisions)


class _Rates:
    """The provider keeps prefixes, and sells them for a tenth."""

    def rate(self, service: str, model: str) -> Rate:
        del service, model
        return Rate(Decimal(10), Decimal(20), Decimal(1))


def test_examples_that_every_request_brings_are_cheaper_kept_by_the_provider() -> None:
    named = [
        {"role": "system", "name": name, "content": f"{text} " * 60}
        for one in EXAMPLES
        for name, text in (("example_user", one.input), ("example_assistant", one.output))
    ]
    world = world_of(FewShot(keep=2, marked=True))
    world.house.prices = _Rates()  # type: ignore[assignment]
    counts = []
    for asked in ("the lamp arrived broken", "when do you open on saturday", "cancel my order please"):
        x, sent = serve(world, [SYSTEM, *named, {"role": "user", "content": asked}])
        counts.append(len([one for one in sent if "name" in one]))
    assert counts == [4, 10, 10]
    assert any(one.action == "kept" and "probably kept" in one.reason for one in x.decisions)


@pytest.mark.parametrize(
    ("changes", "fields", "messages"),
    [
        ({"levers_off": ("diet",)}, {}, [SYSTEM, ASKED]),
        ({"profile": "transparent"}, {}, [SYSTEM, ASKED]),
        ({}, {"levers_off": frozenset({"diet"})}, [SYSTEM, ASKED]),
        ({}, {"endpoint": "other"}, [SYSTEM, ASKED]),
        ({}, {}, [{"role": "system", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}, ASKED]),
    ],
)
def test_off_means_the_caller_s_own_bytes(changes: dict[str, Any], fields: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    world = world_of(FewShot(examples=EXAMPLES, keep=2), **changes)
    serve(world, messages, **fields)
    raw = json.dumps({"model": "small", "temperature": 0.9, "messages": messages}, indent=1).encode()
    assert world.models.calls[-1].body == raw


def test_an_embedder_that_breaks_costs_the_examples_and_not_the_answer() -> None:
    class Broken(HashEmbedder):
        async def embed(self, text: str) -> Any:
            raise ValueError(f"unforeseen: {text}")

    world = world_of(FewShot(examples=EXAMPLES, keep=2))
    world.house.shots = Shots(Broken(), {"faq": EXAMPLES})
    x, sent = serve(world, [SYSTEM, ASKED])
    assert sent == [SYSTEM, ASKED]
    assert x.outcome == "ok"
    assert any(one.failed_open for one in x.decisions)


def test_examples_are_embedded_once() -> None:
    embedder = HashEmbedder()
    shots = Shots(embedder, {"faq": EXAMPLES})
    asyncio.run(shots.warm())
    asyncio.run(shots.vectors([one.input for one in EXAMPLES]))
    assert len(embedder.texts) == len(EXAMPLES)


def test_examples_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text('{"input": "a", "output": "b"}\n\n{"input": "c", "output": "d"}\n')
    found = read_examples("endpoints.faq.few_shot", FewShot(examples=EXAMPLES[:1], path=str(file)))
    assert [one.input for one in found] == [EXAMPLES[0].input, "a", "c"]
    file.write_text('{"input": "a"}\n')
    with pytest.raises(ConfigError, match=r"endpoints.faq.few_shot.path: line 1 of .* is no example"):
        read_examples("endpoints.faq.few_shot", FewShot(path=str(file)))
    with pytest.raises(ConfigError, match="cannot read"):
        read_examples("endpoints.faq.few_shot", FewShot(path=str(tmp_path / "none")))
