"""From headers and body to what the brain reads."""

import json

import pytest

from farthing.config import Config
from farthing.core.errors import InvalidRequest, NotPermitted
from farthing.core.request import Dialect, Inbound, Principal
from farthing.edge.intake import build_inbound

APP = Principal("key_1", "acme")
ADMIN = Principal("key_2", "ops", "admin")
BODY = json.dumps({"model": "gpt-4o", "user": "ann", "messages": [{"role": "user", "content": "hi"}]}).encode()


def inbound(principal: Principal = APP, **headers: str) -> Inbound:
    """`x_farthing_run="r"` stands for the header `x-farthing-run: r`."""
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    config = Config(tenant_tiers={"acme": "enterprise"})
    return build_inbound(
        request_id="req_1", dialect=Dialect.CHAT, body=BODY, headers=sent, principal=principal, config=config, started_s=0.0, received_at=0.0
    )


def test_what_a_caller_may_say() -> None:
    told = inbound(
        x_farthing_endpoint="faq",
        x_farthing_run="r1",
        x_farthing_levers="-cache, -route",
        x_farthing_task="summarize",
        x_farthing_domain="legal",
        x_farthing_language="de",
        session_id="s1",
        cache_control="max-age=0, no-store",
        anthropic_beta="x",
    )
    assert (told.endpoint, told.run_id, told.levers_off, told.session) == ("faq", "r1", frozenset({"cache", "route"}), "s1")
    assert (told.task_type, told.domain, told.language, told.no_store) == ("summarize", "legal", "de", True)
    assert told.forward_headers == (("anthropic-beta", "x"),)


def test_what_nobody_says() -> None:
    told = inbound()
    assert (told.endpoint, told.run_id, told.levers_off, told.tenant, told.tenant_tier) == ("default", "req_1", frozenset(), "acme", "enterprise")


@pytest.mark.parametrize("levers", ["-cahce", "cache", "-cap", "-guard", "-cache,rute", "off"])
def test_a_word_that_switches_nothing_off_is_refused(levers: str) -> None:
    with pytest.raises(InvalidRequest, match="Known: -cache, -route, -diet, -lossy, -retrieve, -output, -prompt_cache, -check"):
        inbound(x_farthing_levers=levers)


def test_only_an_admin_key_names_another_tenant() -> None:
    assert inbound(ADMIN, x_farthing_tenant="acme").tenant == "acme"
    assert inbound(APP, x_farthing_tenant="acme").tenant == "acme"
    with pytest.raises(NotPermitted, match="only an admin key"):
        inbound(APP, x_farthing_tenant="other")


def test_end_users_are_hashed_apart_in_every_tenant() -> None:
    here, there = inbound(ADMIN, x_farthing_tenant="a").user_hash, inbound(ADMIN, x_farthing_tenant="b").user_hash
    assert here is not None
    assert there not in (None, here)
    assert "ann" not in here
