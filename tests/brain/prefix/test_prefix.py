"""When a prefix is kept: the sum, what was seen before, and what goes upstream in both dialects."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.flow import journey
from farthing.brain.prefix import Prefixes, Reads, writing_pays
from farthing.config import Config, Endpoint, Service, Tiers
from farthing.config.context import PromptCache
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from farthing.wire.links import Chain, chain
from tests.brain.test_accounting import account
from tests.brain.world import ANSWER, CHUNKS, World

CLAUDE = Rate(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"))
GPT = Rate(Decimal("2.5"), Decimal(10), Decimal("1.25"))
SYSTEM = "You answer for a shop. " + "Refunds are given within thirty days. " * 120
MESSAGES_ANSWER = (
    b'{"id":"m1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Yes."}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":40,"output_tokens":5,"cache_read_input_tokens":1200,"cache_creation_input_tokens":60}}'
)


@pytest.mark.parametrize(
    ("rate", "reads", "pays"),
    [
        (CLAUDE, Reads(100, 90), True),
        (CLAUDE, Reads(100, 20), False),  # 0.25 reads a write gain 0.675; writing costs 0.75 more
        (CLAUDE, Reads(100, 22), True),
        (CLAUDE, Reads(19, 18), False),  # too few were seen
        (GPT, Reads(100, 1), True),  # writing costs nothing
        (GPT, Reads(100, 0), False),
        (Rate(Decimal(1), Decimal(2)), Reads(100, 99), False),  # no price for what was kept
        (None, Reads(100, 99), False),
    ],
)
def test_the_sum(rate: Rate | None, reads: Reads, pays: bool) -> None:
    assert writing_pays(rate, reads, least_seen=20) is pays


@given(reads=st.integers(0, 100), write=st.decimals(3, 10, places=2), cached=st.decimals(0, 3, places=2))
def test_writing_pays_where_the_whole_bill_is_smaller(reads: int, write: Decimal, cached: Decimal) -> None:
    """Against the bill itself: every request of a hundred at full price, or so many written and the rest read."""
    rate = Rate(Decimal(3), Decimal(15), cached, write)
    kept = (100 - reads) * write + reads * cached if reads < 100 else write + 100 * cached
    full = (100 if reads < 100 else 101) * Decimal(3)
    assert writing_pays(rate, Reads(100, reads), least_seen=1) is (cached < 3 and kept < full)


def asked(*turns: str, system: str = SYSTEM) -> Chain:
    messages = [{"role": "user", "content": turn} for turn in turns]
    found = chain(Dialect.MESSAGES, json.dumps({"system": system, "messages": messages}).encode())
    assert found is not None
    return found


def test_what_is_warm_is_what_was_sent_to_that_model_in_time() -> None:
    prefixes = Prefixes(300.0)
    prefixes.sent("m", "faq", asked("a"), 0.0)
    assert prefixes.warm("m", asked("a", "b").links, 10.0) == asked("a").links[-1]
    assert prefixes.warm("m", asked("c").links, 10.0) == asked("c").head
    assert prefixes.warm("other", asked("a").links, 10.0) is None
    assert prefixes.warm("m", asked("a").links, 300.0) is None


def test_habits_of_an_endpoint() -> None:
    prefixes = Prefixes(300.0)
    for number in range(10):
        prefixes.sent("m", "faq", asked(f"question {number}"), float(number))
    prefixes.sent("m", "faq", asked("question 3", "and then?"), 11.0)
    prefixes.sent("m", "other", asked("question 3", "and now?"), 12.0)
    assert prefixes.heads("faq") == Reads(11, 10)
    assert prefixes.talks("faq").per_write == pytest.approx(1 / 11)
    assert prefixes.heads("nobody") == Reads(0, 0)


def test_old_habits_fade() -> None:
    prefixes = Prefixes(300.0)
    for number in range(500):
        prefixes.sent("m", "faq", asked("a"), float(number))
    for number in range(400):
        prefixes.sent("m", "faq", asked("a", system=f"{number}" + SYSTEM), 500.0)
    assert prefixes.heads("faq").per_write < 0.6


def test_a_busy_head_gets_more_lanes() -> None:
    prefixes = Prefixes(300.0)
    for number in range(200):
        prefixes.sent("m", "faq", asked("a"), number * 1.0)
    assert prefixes.lanes("m", asked("a").head) == 4  # sixty a minute, fifteen a key
    assert prefixes.lanes("m", asked("x", system="new").head) == 1


class _Rates:
    def rate(self, service: str, model: str) -> Rate | None:
        del service
        return {"claude": CLAUDE, "gpt": GPT}.get(model)


def world_of(dialect: Dialect, **config: object) -> World:
    service = (
        Service(dialect="anthropic", base_url="http://x/v1", models=("claude",))
        if dialect is Dialect.MESSAGES
        else Service(base_url="https://api.openai.com/v1", models=("gpt",))
    )
    model = "claude" if dialect is Dialect.MESSAGES else "gpt"
    settings = {"services": {"s": service}, "tiers": Tiers(cheap=(model,), expensive=(model,)), "prompt_cache": PromptCache(least_seen=3)}
    world = World([[MESSAGES_ANSWER if dialect is Dialect.MESSAGES else ANSWER]], **(settings | config))
    world.models.spoken = frozenset({dialect})
    world.house.prices = _Rates()  # type: ignore[assignment]
    return world


def ask(world: World, question: str, dialect: Dialect = Dialect.CHAT, **fields: Any) -> dict[str, Any]:
    model = "claude" if "claude" in world.config.tiers.cheap else "gpt"
    system = fields.pop("system", SYSTEM)
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": question}]} | fields.pop("extra", {})
    if dialect is Dialect.MESSAGES:
        body |= {"system": system, "max_tokens": 50}
    else:
        body["messages"] = [{"role": "system", "content": system}, *body["messages"]]
    raw = json.dumps(body, indent=1).encode()
    asyncio.run(journey(world.exchange(raw, dialect, **{"endpoint": "faq"} | fields), world.house, world.caller()))
    sent = world.models.calls[-1].body
    return json.loads(sent) | {"_raw": raw, "_sent": sent}


def marks(sent: dict[str, Any]) -> int:
    return sent["_sent"].count(b'"cache_control"')


def test_a_chat_request_to_anthropic_gets_a_breakpoint_once_its_head_came_again() -> None:
    world = world_of(Dialect.MESSAGES)
    found = [marks(ask(world, f"Question {number}?")) for number in range(6)]
    assert found == [0, 0, 0, 1, 1, 1]
    sent = ask(world, "And now?")
    assert sent["system"] == [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    assert sent["messages"] == [{"role": "user", "content": "And now?"}]


def test_what_the_breakpoint_saved_is_on_the_account() -> None:
    world = world_of(Dialect.MESSAGES)
    for number in range(5):
        ask(world, f"Question {number}?")
    unmarked, marked = account(world.book.rows[0]), account(world.book.rows[-1])
    assert "prompt_cache" not in unmarked.saved
    # 1,200 tokens read at a tenth of 3 USD a million, 60 written at 3.75.
    assert marked.saved["prompt_cache"] == int((1200 * 2.7 - 60 * 0.75) * 1_000_000)
    assert any(one["lever"] == "prompt_cache" and one["action"] == "marked" for one in json.loads(world.book.rows[-1].decisions))


def test_the_quote_covers_what_writing_costs() -> None:
    world = world_of(Dialect.MESSAGES)
    for number in range(5):
        ask(world, f"Question {number}?")
    first, last = world.book.intents[0].quoted_picousd, world.book.intents[-1].quoted_picousd
    assert first is not None
    assert last is not None
    assert last > first


def test_a_conversation_that_goes_on_is_marked_at_its_end() -> None:
    world = world_of(Dialect.MESSAGES)
    turns: list[dict[str, str]] = []
    for number in range(6):
        turns += [{"role": "user", "content": f"Question {number}? " + "More words. " * 30}, {"role": "assistant", "content": "Yes."}]
        sent = ask(world, "", Dialect.MESSAGES, extra={"messages": turns[:-1]})
    # Native bodies are the caller's own in the default profile.
    assert marks(sent) == 0
    saver = world_of(Dialect.MESSAGES, endpoints={"faq": Endpoint(profile="saver")})
    for number in range(6):
        sent = ask(saver, "", Dialect.MESSAGES, extra={"messages": turns[: 2 * number + 1]})
    assert marks(sent) == 2
    assert sent["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert sent["messages"][:-1] == turns[:10]


def test_heads_that_never_come_again_are_not_written() -> None:
    world = world_of(Dialect.MESSAGES)
    assert [marks(ask(world, "Why?", system=f"{number} {SYSTEM}")) for number in range(8)] == [0] * 8


def test_short_heads_are_not_worth_a_mark() -> None:
    world = world_of(Dialect.MESSAGES)
    assert [marks(ask(world, f"Why {number}?", system="Be brief.")) for number in range(8)] == [0] * 8


def test_openai_gets_one_key_for_one_head() -> None:
    world = world_of(Dialect.CHAT)
    keys = [ask(world, f"Question {number}?", session=f"s{number}").get("prompt_cache_key") for number in range(6)]
    assert keys[:3] == [None] * 3
    assert keys[3] == keys[4] == keys[5]
    assert str(keys[3]).startswith("farthing-")
    other = [ask(world, f"Question {number}?", system=f"Other. {SYSTEM}").get("prompt_cache_key") for number in range(2)]
    assert other[1] not in (None, keys[5])


def test_other_services_get_no_field_that_they_may_refuse() -> None:
    world = world_of(Dialect.CHAT, services={"s": Service(base_url="http://127.0.0.1:8000/v1", models=("gpt",))})
    for number in range(6):
        sent = ask(world, f"Question {number}?")
    assert sent["_sent"] == sent["_raw"]


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"prompt_cache": PromptCache(enabled=False)}, {}),
        ({"endpoints": {"faq": Endpoint(levers_off=("prompt_cache",))}}, {}),
        ({"endpoints": {"faq": Endpoint(profile="transparent")}}, {}),
        ({}, {"levers_off": frozenset({"prompt_cache"})}),
        ({}, {"extra": {"prompt_cache_key": "mine"}}),
    ],
)
def test_off_or_the_caller_s_own_means_the_caller_s_own_bytes(config: dict[str, Any], fields: dict[str, Any]) -> None:
    world = world_of(Dialect.CHAT, **config)
    for number in range(6):
        sent = ask(world, f"Question {number}?", **fields)
        assert sent["_sent"] == sent["_raw"]


def test_the_caller_s_own_breakpoints_stay_alone() -> None:
    world = world_of(Dialect.MESSAGES, endpoints={"faq": Endpoint(profile="saver", levers_off=("cache",))})
    own = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    for number in range(6):
        sent = ask(world, f"Question {number}?", Dialect.MESSAGES, system=own)
    assert sent["_sent"] == sent["_raw"]


def test_streams_pass_as_they_came() -> None:
    world = world_of(Dialect.CHAT)
    world.models.scripts = [CHUNKS]
    for number in range(5):
        body = {"model": "gpt", "stream": True, "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Q{number}"}]}
        caller = world.caller()
        x = world.exchange(json.dumps(body | {"stream_options": {"include_usage": True}}).encode(), endpoint="faq")
        asyncio.run(journey(x, world.house, caller))
        assert b"A quarter of a " in caller.body
        assert caller.body.endswith(b"data: [DONE]\n\n")
    assert "prompt_cache_key" in json.loads(world.models.calls[-1].body)


def test_a_fault_costs_the_mark_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(Dialect.CHAT)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("unforeseen")

    monkeypatch.setattr(Prefixes, "sent", broken)
    ask(world, "Why?")
    assert world.book.rows[0].outcome == "ok"
    assert '"failed_open":true' in world.book.rows[0].decisions


def test_the_default_waits_for_evidence() -> None:
    assert Config().prompt_cache == PromptCache(enabled=True, ttl_s=300.0, min_tokens=1024, least_seen=20)
