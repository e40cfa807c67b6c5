"""The learned part of routing in the flow: order and veto, the cascade with both calls on record, and every way in which it stands back."""

import asyncio
import json
from decimal import Decimal

import msgspec
import pytest

from farthing.brain.flow import journey
from farthing.brain.route.base import Judged, Step
from farthing.brain.route.cascade.answers import Read
from farthing.config import AskedRoute, Endpoint, LearnedRoute, Route
from farthing.core.errors import ConfigError, UpstreamUnreachable
from farthing.core.exchange import Exchange
from tests.brain.world import ANSWER, CHUNKS, FakeCaller, World

LEARNED = Route(learned=LearnedRoute(artefact="router.npz"))
BETTER = ANSWER.replace(b"A quarter of a penny.", b"One farthing.").replace(b'"small"', b'"big"')
LONG = "word " * 400  # no shipped rule matches


class FakeLearned:
    """Says what it is told to."""

    def __init__(self, tier: str = "cheap", *, reads: tuple[Step, ...] = (), second: str | None = None, **judged: object) -> None:
        self.problem: str | None = None
        self.models = ("small", "big", second)
        self.judged = Judged(tier, "gap 0.01 <= 0.05", dials=object() if reads else None, **judged)  # type: ignore[arg-type]
        self.fails: Exception | None = None
        self.asked: list[tuple[str, bool]] = []
        self.seen: list[tuple[str, str | None]] = []
        self._reads = list(reads)

    async def judge(self, x: Exchange, *, may_read: bool) -> Judged:
        self.asked.append((x.inbound.endpoint, may_read))
        if self.fails is not None:
            raise self.fails
        return self.judged

    def read(self, judged: Judged, prompt: str, answer: Read, second: str | None = None) -> Step:
        del judged, prompt
        self.seen.append((answer.text, second))
        return self._reads.pop(0)


def ask(world: World, text: str = LONG, *, stream: bool = False, temperature: int = 1, **fields: object) -> tuple[FakeCaller, Exchange]:
    asked = {"model": "farthing/auto", "messages": [{"role": "user", "content": text}], "stream": stream, "temperature": temperature}
    body = json.dumps(asked).encode()
    x, caller = world.exchange(body, **fields), world.caller()
    asyncio.run(journey(x, world.house, caller))
    return caller, x


def made(learned: FakeLearned | None, *scripts: object, route: Route = LEARNED, **config: object) -> World:
    world = World(scripts or ([ANSWER],), route=route, **config)  # type: ignore[arg-type]
    world.house.learned = learned
    return world


def test_what_the_rules_leave_open_is_decided_by_what_was_learned() -> None:
    world = made(FakeLearned("cheap"))
    _, x = ask(world)
    assert [call.model for call in world.models.calls] == ["small"]
    assert x.decisions[-1].reason.startswith("learned: gap 0.01 <= 0.05; rules left it open (no rule matched")


def test_advice_of_the_shipped_rules_is_overruled_and_a_veto_is_not() -> None:
    learned = FakeLearned("expensive")
    world = made(learned)
    ask(world, "Hi, what is this?")
    assert [call.model for call in world.models.calls] == ["big"]
    cheap = FakeLearned("cheap")
    world = made(cheap)
    _, x = ask(world, "Can my lawyer sue over a breach of this contract clause, and is there liability?")
    assert [call.model for call in world.models.calls] == ["big"]
    assert cheap.asked == []
    assert "rule" in x.decisions[-1].reason


@pytest.mark.parametrize(("allowed", "model"), [(None, "mid"), (("openai/small", "openai/big"), "big")])
def test_one_of_several_models_is_taken_and_where_the_key_forbids_it_the_expensive_tier(allowed: tuple[str, ...] | None, model: str) -> None:
    from farthing.config import Tiers
    from farthing.core.request import Principal

    world = made(FakeLearned("cheap", model="mid"), tiers=Tiers(cheap=("small", "mid"), expensive=("big",)))
    body = json.dumps({"model": "farthing/auto", "messages": [{"role": "user", "content": LONG}]}).encode()
    x, caller = world.exchange(body), world.caller()
    x.inbound = msgspec.structs.replace(x.inbound, principal=Principal(None, "acme", allowed_models=allowed))
    asyncio.run(journey(x, world.house, caller))
    assert [call.model for call in world.models.calls] == [model]
    assert x.decisions[-1].failed_open is (model == "big")
    assert ("mid may not be used here" in x.decisions[-1].reason) is (model == "big")


def test_a_rule_of_ones_own_decides() -> None:
    from farthing.config import Rule

    learned = FakeLearned("expensive")
    world = made(learned, route=Route(rules=(Rule(name="all", tier="cheap"),), learned=LearnedRoute(artefact="router.npz")))
    ask(world)
    assert (learned.asked, [call.model for call in world.models.calls]) == ([], ["small"])


@pytest.mark.parametrize("off", ["header", "endpoint", "lever", "switch"])
def test_off_means_rules_only(off: str) -> None:
    learned = FakeLearned("cheap")
    route = Route(learned=LearnedRoute(artefact="router.npz", enabled=False)) if off == "switch" else LEARNED
    endpoints = {"header": {}, "switch": {}, "endpoint": {"faq": Endpoint(learned="off")}, "lever": {"faq": Endpoint(levers_off=("route",))}}[off]
    world = made(learned, route=route, endpoints=endpoints)
    ask(world, endpoint="faq", levers_off=frozenset({"route"}) if off == "header" else frozenset())
    assert (learned.asked, [call.model for call in world.models.calls]) == ([], ["big"])


def test_a_broken_router_leaves_the_rules_and_is_on_record() -> None:
    learned = FakeLearned("cheap")
    learned.problem = "There is no router at router.npz."
    _, x = ask(made(learned))
    assert x.decisions[-1].failed_open
    assert "no rule matched" in x.decisions[-1].reason
    assert "learned router not used: There is no router at router.npz." in x.decisions[-1].reason


def test_an_embedding_that_fails_leaves_the_rules() -> None:
    learned = FakeLearned("cheap")
    learned.fails = ConfigError("no model file")
    world = made(learned)
    _, x = ask(world)
    assert [call.model for call in world.models.calls] == ["big"]
    assert "learned router not used: no model file" in x.decisions[-1].reason


def test_a_session_keeps_the_model_that_was_learned_for_it() -> None:
    learned = FakeLearned("cheap")
    world = made(learned, endpoints={"agent": Endpoint(profile="transparent")})
    ask(world, endpoint="agent", session="s1")
    learned.judged = Judged("expensive", "harder now")
    ask(world, endpoint="agent", session="s1")
    assert [call.model for call in world.models.calls] == ["small", "small"]
    assert learned.asked == [("agent", False)]  # transparent bodies are not read


def test_a_good_cheap_answer_is_kept() -> None:
    learned = FakeLearned("cheap", reads=(Step("keep", "answer read: gap 0.01 < 0.04"),))
    world = made(learned)
    caller, x = ask(world)
    assert learned.seen == [("A quarter of a penny.", None)]
    assert b"A quarter of a penny." in caller.body
    assert (x.decisions[-1].action, x.decisions[-1].reason) == ("answer_kept", "answer read: gap 0.01 < 0.04")


def test_a_poor_cheap_answer_is_replaced_and_both_calls_are_paid_for() -> None:
    world = made(FakeLearned("cheap", reads=(Step("escalate", "answer read: gap 0.3 >= 0.04"),)), [ANSWER], [BETTER])
    caller, x = ask(world)
    assert b"One farthing." in caller.body
    assert b"A quarter" not in caller.body
    assert caller.headers[b"x-farthing-model"] == b"openai/big"
    assert [(one.target.model, one.purpose) for one in x.attempts] == [("small", "answer"), ("big", "escalate")]
    assert x.cost_usd == Decimal("0.000020") + Decimal("0.000200")
    assert x.account is not None
    assert x.account.saved["route"] == -20_000_000  # the cheap answer that was not served
    assert x.baseline_cost_usd == Decimal("0.000200")
    assert x.account.extra == {"retry": 20_000_000}


@pytest.mark.parametrize("stream", [False, True])
def test_the_answer_that_took_a_poor_ones_place_is_served_again_for_nothing(stream: bool) -> None:
    better = [chunk.replace(b"A quarter of a penny.", b"One farthing.") for chunk in CHUNKS] if stream else [BETTER]
    world = made(FakeLearned("cheap", reads=(Step("escalate", "poor"),)), CHUNKS if stream else [ANSWER], better)
    ask(world, stream=stream, temperature=0)
    caller, x = ask(world, stream=stream, temperature=0)
    assert len(world.models.calls) == 2
    assert b"One farthing." in caller.body
    assert b"A quarter" not in caller.body
    assert (x.cache, x.cost_usd, x.baseline_cost_usd) == ("exact", Decimal(0), Decimal("0.000200"))
    assert x.account is not None
    assert sum(x.account.saved.values()) == 200_000_000


def test_a_stream_is_decided_before_its_first_byte() -> None:
    big = [chunk.replace(b"A quarter of a penny.", b"One farthing.") for chunk in CHUNKS]
    world = made(FakeLearned("cheap", reads=(Step("escalate", "poor"),)), CHUNKS, big)
    caller, _ = ask(world, stream=True)
    assert world.told.index("send big") < world.told.index("finish")
    assert b"One farthing." in caller.body
    assert b"A quarter" not in caller.body
    assert caller.body.rstrip().endswith(b"data: [DONE]")


def test_an_escalation_that_fails_leaves_the_cheap_answer() -> None:
    world = made(FakeLearned("cheap", reads=(Step("escalate", "poor"),)), [ANSWER], UpstreamUnreachable("down"))
    caller, x = ask(world)
    assert caller.status == 200
    assert b"A quarter of a penny." in caller.body
    assert x.decisions[-1].failed_open
    assert "could not be asked" in x.decisions[-1].reason


def test_a_second_cheap_model_is_asked_in_between() -> None:
    from farthing.config import Tiers

    learned = FakeLearned("cheap", reads=(Step("ask", "unsure"), Step("keep", "nano agrees")), second="nano")
    world = made(learned, [ANSWER], [ANSWER], tiers=Tiers(cheap=("small", "nano"), expensive=("big",)))
    _, x = ask(world)
    assert [call.model for call in world.models.calls] == ["small", "nano"]
    assert learned.seen == [("A quarter of a penny.", None), ("A quarter of a penny.", "A quarter of a penny.")]
    assert [one.purpose for one in x.attempts] == ["answer", "router"]
    assert x.decisions[-1].reason == "nano agrees"


def test_the_chance_of_an_explored_choice_is_on_record() -> None:
    _, x = ask(made(FakeLearned("cheap", propensity=0.03)))
    assert x.decisions[-1].propensity == 0.03


def digit(text: str) -> bytes:
    return ANSWER.replace(b"A quarter of a penny.", text.encode())


ASKED = Route(asked=AskedRoute(model="small"))


@pytest.mark.parametrize(("said", "model"), [("1", "small"), ("5", "big")])
def test_a_model_can_be_the_router_and_its_cost_is_routings(said: str, model: str) -> None:
    world = made(None, [digit(said)], [ANSWER], route=ASKED)
    _, x = ask(world)
    assert [call.model for call in world.models.calls] == ["small", model]
    assert json.loads(world.models.calls[0].body)["max_tokens"] == 1
    assert [one.purpose for one in x.attempts] == ["router", "answer"]
    assert f"small says difficulty {said}" in x.decisions[-1].reason
    assert x.account is not None
    assert x.account.extra == {"router": 20_000_000}


@pytest.mark.parametrize("script", [[digit("well")], UpstreamUnreachable("down")])
def test_a_model_that_gives_no_digit_leaves_the_rules(script: object) -> None:
    world = made(None, script, [ANSWER], route=ASKED)
    _, x = ask(world)
    assert world.models.calls[-1].model == "big"
    assert x.decisions[-1].failed_open


def test_in_the_grey_zone_a_model_can_only_say_no() -> None:
    route = Route(learned=LearnedRoute(artefact="router.npz"), asked=AskedRoute(model="small", grey_gap=0.02))
    near = made(FakeLearned("cheap", margin=0.01), [digit("5")], [ANSWER], route=route)
    ask(near)
    assert [call.model for call in near.models.calls] == ["small", "big"]
    far = made(FakeLearned("cheap", margin=0.3), [ANSWER], route=route)
    ask(far)
    assert [call.model for call in far.models.calls] == ["small"]
    explored = made(FakeLearned("cheap", margin=0.01, propensity=0.02), [ANSWER], route=route)
    ask(explored)
    assert [call.model for call in explored.models.calls] == ["small"]
    dear = made(FakeLearned("expensive", margin=0.01), [ANSWER], route=route)
    ask(dear)
    assert [call.model for call in dear.models.calls] == ["big"]
