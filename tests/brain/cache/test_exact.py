"""Scope and bounds of the exact lane."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.cache import Answer, CacheLever, ExactCache, scope_key
from farthing.brain.cache.admission import bypass_reason
from farthing.brain.classify import read
from farthing.config import Cache, Endpoint
from farthing.core.call import Call
from farthing.core.exchange import Target
from farthing.core.request import Dialect, Inbound, Peek, Principal, Turn
from farthing.core.usage import Usage

WORDS = [b"what", b"is", b"a", b"farthing"]
BODY = b'{"model":"farthing/auto","temperature":0,"messages":[{"role":"user","content":"What is a farthing?"}]}'


def inbound(body: bytes = BODY, **changes: object) -> Inbound:
    text = changes.pop("text", "What is a farthing?")
    peek_fields = {"model": "farthing/auto", "temperature": 0.0, "turns": (Turn("user", str(text)),)} | dict(changes.pop("peek", {}))  # type: ignore[call-overload]
    fields = {"tenant": "acme", "endpoint": "faq"} | changes
    return Inbound("req_1", Dialect.CHAT, body, Peek(**peek_fields), Principal(None, "acme"), 0.0, 0.0, **fields)  # type: ignore[arg-type]


def answer(body: bytes = b"{}", expires_at: float = 100.0) -> Answer:
    return Answer(Dialect.CHAT, False, body, "openai", "m", "cheap", Usage(1, 1), Decimal("0.1"), "stop", "ans_1", 0.0, expires_at)


def test_the_key_tells_scopes_apart() -> None:
    keys = {
        scope_key(inbound(), BODY),
        scope_key(inbound(tenant="globex"), BODY),
        scope_key(inbound(endpoint="support"), BODY),
        scope_key(inbound(peek={"model": "farthing/cheap"}), BODY),
        scope_key(inbound(levers_off=frozenset({"route"})), BODY),
        scope_key(inbound(), BODY + b" "),
        scope_key(inbound(), BODY, user_scope="u1"),
    }
    assert len(keys) == 7
    assert scope_key(inbound(), BODY) == scope_key(inbound(), BODY)


def test_an_entry_dies_of_age() -> None:
    cache = ExactCache(max_bytes=10_000, max_entry_bytes=5_000)
    cache.put(b"k", answer(expires_at=50.0), "acme")
    assert cache.get(b"k", 49.9) is not None
    assert cache.get(b"k", 50.0) is None
    assert cache.size_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 900)), max_size=80))
def test_the_bound_in_bytes_holds_whatever_comes(puts: list[tuple[int, int]]) -> None:
    cache = ExactCache(max_bytes=7_000, max_entry_bytes=2_100)
    for number, size in puts:
        kept = cache.put(b"%d" % number, answer(b"x" * size), "acme")
        assert kept == (size + 1_500 <= 2_100)
        assert cache.size_bytes <= 7_000
    cache.clear()
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_clearing_one_tenant_leaves_the_others() -> None:
    cache = ExactCache(max_bytes=10_000, max_entry_bytes=5_000)
    cache.put(b"a", answer(), "acme")
    cache.put(b"b", answer(), "globex")
    cache.clear("acme")
    assert cache.get(b"a", 0.0) is None
    assert cache.get(b"b", 0.0) is not None


def reason(**changes: object) -> str | None:
    return bypass_reason(inbound(**changes), max_temperature=0.3, default_temperature=None)


def test_what_is_never_reused() -> None:
    assert reason() is None
    assert "no-store" in (reason(no_store=True) or "")
    assert "tool" in (reason(peek={"has_tools": True}) or "")
    assert "0.7" in (reason(peek={"temperature": 0.7}) or "")
    assert "default temperature 1" in (reason(peek={"temperature": None}) or "")
    assert "choices" in (reason(peek={"n": 2}) or "")
    assert "log-prob" in (reason(peek={"wants_logprobs": True}) or "")
    assert "provider" in (reason(peek={"stored_upstream": True}) or "")


def look_kind(text: str, **changes: object) -> str:
    asked = inbound(text=text, **changes)
    return CacheLever(Cache()).look(asked, Endpoint(), words=lambda: read(asked).words, now=0.0, off=False).kind


def test_own_affairs_need_a_named_user() -> None:
    for text in ("Where is my order?", "I have not got our last three invoices.", "Please reset my bank account's password"):
        assert look_kind(text) == "bypass", text
        assert look_kind(text, user_hash="u1") == "lead", text
    for text in ("My colleague uploads at full speed, why?", "What is an order?", "Explain the gold standard."):
        assert look_kind(text) == "lead", text


def test_own_affairs_are_shared_with_nobody() -> None:
    cache = CacheLever(Cache())
    one, two = (inbound(text="Where is my order?", user_hash=user) for user in ("u1", "u2"))
    keys = [cache.look(asker, Endpoint(), words=lambda asker=asker: read(asker).words, now=0.0, off=False).key for asker in (one, two, one)]
    assert keys[0] == keys[2] != keys[1]


def test_an_endpoint_may_say_what_a_missing_temperature_means() -> None:
    asked = inbound(peek={"temperature": None})
    assert bypass_reason(asked, max_temperature=0.3, default_temperature=0.0) is None


def store(cache: CacheLever, finish: str) -> None:
    seen = cache.look(inbound(), Endpoint(), words=lambda: WORDS, now=0.0, off=False)
    assert seen.key is not None
    call = Call("openai", "m", Dialect.CHAT, BODY, False, 1.0, "req_1")
    cache.store(seen.key, inbound(), call, Target("openai", "m", "cheap"), b"{}", usage=None, cost_usd=None, finish=finish, signals=None)


def test_an_answer_cut_short_or_filtered_is_not_kept() -> None:
    for finish, kind in (("length", "lead"), ("content_filter", "lead"), ("tool_calls", "lead"), ("stop", "hit")):
        cache = CacheLever(Cache())
        store(cache, finish)
        assert cache.look(inbound(), Endpoint(), words=lambda: WORDS, now=1.0, off=False).kind == kind, finish


def test_off_switches() -> None:
    assert CacheLever(Cache(enabled=False)).look(inbound(), Endpoint(), words=lambda: WORDS, now=0.0, off=False).kind == "bypass"
    assert CacheLever(Cache()).look(inbound(), Endpoint(), words=lambda: WORDS, now=0.0, off=True).kind == "bypass"
