"""The router: names, permissions, sessions, failover order, and what happens when a tier is empty or the lever is off."""

import pytest

from farthing.brain.route import Router
from farthing.config import Config, Endpoint, Route, Tiers
from farthing.core.errors import ModelNotFound, NotPermitted, TierEmpty
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from tests.brain.requests import make_inbound, make_peek, make_signals

MINI, NANO, LARGE = Target("openai", "mini", "cheap"), Target("groq", "nano", "cheap"), Target("openai", "large", "expensive")
PLAIN = Target("openai", "other")
LONG = make_signals(query_tokens=4000)
SHORT = make_signals()


class Catalog:
    def __init__(self, cheap=(MINI, NANO), expensive=(LARGE,), baseline=LARGE):
        self.tiers = {"cheap": cheap, "expensive": expensive}
        self.baseline = baseline

    def resolve(self, name):
        known = {"mini": MINI, "large": LARGE, "other": PLAIN, "openai/other": PLAIN}
        if name not in known:
            raise ModelNotFound(name, ("mini",))
        return known[name]

    def tier(self, name):
        return self.tiers.get(name, ())


def router(config=None, **catalog):
    return Router(config or Config(), Catalog(**catalog))


def send(to, inbound, signals=SHORT, now=0.0, resting=()):
    return to.route(inbound, signals, now=now, healthy=lambda target: target not in resting)


def agent(model="farthing/auto", session="s1", **fields):
    return make_inbound(peek=make_peek(("user", "go on"), model=model, has_tools=True), session=session, **fields)


def test_auto_follows_the_rules():
    assert send(router(), make_inbound()).targets == (MINI, NANO)
    assert send(router(), make_inbound(), LONG).targets == (LARGE,)


def test_a_tier_by_name_is_kept():
    routed = send(router(), make_inbound(model="farthing/expensive"))
    assert routed.targets == (LARGE,)
    assert routed.decision.reason == "the caller asked for tier expensive"


def test_a_real_name_is_kept():
    routed = send(router(), make_inbound(model="other"), LONG)
    assert routed.targets == (PLAIN,)
    assert routed.decision.action == "kept"


def test_unknown_names_are_not_found():
    with pytest.raises(ModelNotFound, match="farthing/auto, farthing/cheap"):
        send(router(), make_inbound(model="farthing/fast"))
    with pytest.raises(ModelNotFound, match="mini"):
        send(router(), make_inbound(model="mimi"))


def test_resting_services_come_last():
    assert send(router(), make_inbound(), resting=(MINI,)).targets == (NANO, MINI)
    assert send(router(), make_inbound(), resting=(MINI, NANO)).targets == (MINI, NANO)


def test_without_failover_the_first_model_stands_alone():
    config = Config(tiers=Tiers(failover=False))
    assert send(router(config), make_inbound(), resting=(MINI,)).targets == (MINI,)


@pytest.mark.parametrize("pattern", ["mini", "openai/*", "m*", "*"])
def test_a_key_may_use_what_its_patterns_allow(pattern):
    assert send(router(), make_inbound(model="mini", allowed=(pattern,))).targets == (MINI,)


def test_a_key_may_not_use_anything_else():
    with pytest.raises(NotPermitted, match=r"may not use 'large'. It allows: mini, nano"):
        send(router(), make_inbound(model="large", allowed=("mini", "nano")))


def test_auto_stays_within_the_allowed_models():
    assert send(router(), make_inbound(allowed=("nano",))).targets == (NANO,)
    other = send(router(), make_inbound(allowed=("nano",)), LONG)
    assert other.targets == (NANO,)
    assert other.decision.failed_open
    assert "allows no model of tier expensive" in other.decision.reason


def test_nothing_allowed_is_an_error_with_the_patterns():
    for model in ("farthing/auto", "farthing/cheap"):
        with pytest.raises(NotPermitted, match="gpt-9"):
            send(router(), make_inbound(model=model, allowed=("gpt-9",)))


def test_a_key_for_the_router_alone_may_go_where_the_router_says():
    assert send(router(), make_inbound(allowed=("farthing/auto",)), LONG).targets == (LARGE,)
    with pytest.raises(NotPermitted):
        send(router(), make_inbound(model="large", allowed=("farthing/auto",)))


@pytest.mark.parametrize("config", [None, Config(endpoints={"default": Endpoint(levers_off=("route",))})])
def test_with_the_lever_off_auto_is_the_baseline(config):
    inbound = make_inbound() if config else make_inbound(levers_off=frozenset({"route"}))
    routed = send(router(config, baseline=PLAIN), inbound)
    assert routed.targets == (PLAIN, LARGE)
    assert routed.decision.action == "baseline"
    assert "off" in routed.decision.reason


def test_with_the_lever_off_a_tier_by_name_is_still_kept():
    inbound = make_inbound(model="farthing/cheap", levers_off=frozenset({"route"}))
    assert send(router(), inbound).targets == (MINI, NANO)


def test_with_the_lever_off_and_nothing_expensive_the_cheap_tier_answers():
    routed = send(router(expensive=(), baseline=None), make_inbound(levers_off=frozenset({"route"})))
    assert routed.targets == (MINI, NANO)
    assert routed.decision.failed_open


def test_an_empty_tier_is_said_and_never_stops_auto():
    routed = send(router(cheap=()), make_inbound())
    assert routed.targets == (LARGE,)
    assert routed.decision.failed_open
    assert routed.decision.reason.endswith("`tiers.cheap` is empty")


def test_an_empty_tier_by_name_is_an_error_that_says_what_to_set():
    with pytest.raises(TierEmpty, match=r"Set `tiers.cheap`") as caught:
        send(router(cheap=()), make_inbound(model="farthing/cheap"))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    with pytest.raises(TierEmpty, match="leads nowhere"):
        send(router(cheap=(), expensive=(), baseline=None), make_inbound())


def test_an_agent_session_keeps_its_model():
    to = router()
    assert send(to, agent(), LONG).targets == (LARGE,)
    routed = send(to, agent(), SHORT, now=3600)
    assert routed.targets == (LARGE,)
    assert routed.decision.reason == "session keeps large"
    assert send(to, agent(), SHORT, now=3600 + 3601).targets == (MINI, NANO)


def test_another_tenant_with_the_same_session_is_not_bound():
    to = router()
    send(to, agent(), LONG)
    assert send(to, agent(tenant="other"), SHORT).targets == (MINI, NANO)


def test_without_tools_only_transparent_endpoints_keep_a_session():
    to = router()
    plain = make_inbound(session="s1")
    send(to, plain, LONG)
    assert send(to, plain, SHORT).targets == (MINI, NANO)
    claude = make_inbound(session="s2", dialect=Dialect.MESSAGES)
    send(to, claude, LONG)
    assert send(to, claude, SHORT).targets == (LARGE,)
    saver = router(Config(endpoints={"default": Endpoint(profile="saver")}))
    send(saver, claude, LONG)
    assert send(saver, claude, SHORT).targets == (MINI, NANO)


def test_sticky_can_be_switched_off():
    to = router(Config(route=Route(sticky_s=0)))
    send(to, agent(), LONG)
    assert send(to, agent(), SHORT).targets == (MINI, NANO)


def test_a_session_never_leaves_the_allowed_models():
    to = router()
    send(to, agent(), LONG)
    assert send(to, agent(allowed=("mini",)), SHORT).targets == (MINI,)


def test_a_resting_model_loses_its_session_to_the_next():
    to = router()
    send(to, agent(), SHORT)
    assert send(to, agent(), SHORT, resting=(MINI,)).targets == (NANO, MINI)
    assert send(to, agent(), SHORT).targets == (NANO, MINI)


def test_a_failover_moves_the_session():
    to = router()
    send(to, agent(), SHORT)
    to.answered(agent(), NANO, now=1)
    assert send(to, agent(), SHORT, now=2).targets == (NANO, MINI)


def test_a_tier_by_name_keeps_the_model_of_its_session_within_the_tier():
    to = router()
    to.answered(agent("farthing/cheap"), NANO, now=0)
    assert send(to, agent("farthing/cheap"), now=1).targets == (NANO, MINI)
    assert send(to, agent("farthing/expensive"), now=1).targets == (LARGE,)


def test_configured_rules_replace_the_shipped_ones():
    assert send(router(Config(route=Route(rules=(), otherwise="expensive"))), make_inbound()).targets == (LARGE,)
