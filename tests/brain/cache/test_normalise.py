"""Which spellings are one question, and which are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.brain.requests import make_inbound

from farthing.brain.cache import CacheLever
from farthing.brain.cache.base import Reuse
from farthing.brain.cache.normalise import Slots, normalise
from farthing.config import Cache, CacheSlot, Endpoint
from farthing.core.call import Call
from farthing.core.errors import ConfigError
from farthing.core.exchange import Target
from farthing.core.request import Dialect, Inbound
from farthing.wire.peek import peek

REFUND = CacheSlot(key="faq:refund_policy", patterns=("(how|when) (do|can) i get (a|my) refund", "refund policy"), endpoints=("faq",))


@pytest.mark.parametrize(
    "spelling",
    ["How do I get a refund?", "how do i get a refund", "  How do I  get a refund ??", "How do I get a Refund.", "how do I get a refund!"],
)
def test_one_question_in_many_spellings(spelling: str) -> None:
    assert normalise(spelling) == "how do i get a refund"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what does the US export", "what does the us export"),
        ("what is polish", "what is Polish"),
        ("who is Mark", "who is mark"),
        ("the order has arrived.", "the order has arrived?"),
        ("it was like", "it was like..."),
        ("what is IT support", "what is it support"),
        ("what is 5 mW", "what is 5 MW"),
        ("plan A or plan B", "plan a or plan b"),
        ("which iPhone is new", "which iphone is new"),
        ("is 1,000 enough", "is 1.000 enough"),
        ("let's eat, grandma", "let's eat grandma"),
    ],
)
def test_what_carries_meaning_keeps_questions_apart(one: str, other: str) -> None:
    found = {normalise(one), normalise(other)}
    assert len(found) == 2 or found == {None}


@pytest.mark.parametrize(
    "text",
    [
        "what does `LS -l` do",
        "what does getName return",
        "is MY_VAR set",
        'who said "Yes"',
        "who said 'Yes'",
        "line one\nline two",
        "see Example.com for it",
        "where is /Etc/hosts",
        "これは何ですか",
        "où est le café",
        "wie ist Ihr Name",
        "SELECT Name; from users",
        "x" * 600,
        "",
        " ?!",
    ],
)
def test_what_is_never_compared_in_another_spelling(text: str) -> None:
    assert normalise(text) is None


def test_another_language_that_a_caller_names_keeps_its_spelling() -> None:
    assert normalise("dove Roma", "it") is None
    assert normalise("where is Rome", "en") == "where is rome"


@given(st.text(max_size=60))
def test_normal_forms_are_their_own_normal_form(text: str) -> None:
    once = normalise(text)
    if once is not None:
        assert normalise(once) in (once, None)


@pytest.mark.parametrize(
    ("text", "endpoint", "slot"),
    [
        ("How do I get a refund?", "faq", REFUND.key),
        ("  REFUND   policy!! ", "faq", REFUND.key),
        ("How do I get a refund?", "shop", None),
        ("How do I get a refund for this order?", "faq", None),
        ("", "faq", None),
    ],
)
def test_a_slot_names_whole_questions(text: str, endpoint: str, slot: str | None) -> None:
    assert Slots((REFUND,)).named(text, endpoint) == slot


@pytest.mark.parametrize("pattern", ["(", "(?=x)", "x*", ".*"])
def test_a_slot_that_names_nothing_or_everything_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="faq:x"):
        Slots((CacheSlot(key="faq:x", patterns=(pattern,)),))


def asked(text: str, *, number: int = 1, system: str = "Be kind.", **fields: object) -> Inbound:
    body = {"model": "small", "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}], "temperature": 0}
    raw = json.dumps(body).encode()
    named: dict[str, object] = {"endpoint": "faq", "request_id": f"req_{number}", "received_at": 10.0} | fields
    return make_inbound(text, body=raw, peek=peek(Dialect.CHAT, raw, json_depth=64, max_messages=9), **named)


def look(cache: CacheLever, inbound: Inbound, now: float = 20.0) -> Reuse:
    words = inbound.peek.last_user_text.lower().rstrip("?!. ").encode().split()
    return cache.look(inbound, Endpoint(), words=lambda: words, now=now, off=False)


def taught(text: str, *, slots: tuple[CacheSlot, ...] = (REFUND,), **fields: object) -> CacheLever:
    cache, inbound = CacheLever(Cache(slots=slots)), asked(text, **fields)
    seen = look(cache, inbound)
    assert (seen.kind, seen.key is not None) == ("lead", True)
    call = Call("svc", "m", Dialect.CHAT, b"{}", False, 1.0, inbound.request_id)
    target = Target("svc", "m", "cheap")
    cache.store(seen.key or b"", inbound, call, target, b"{}", usage=None, cost_usd=None, finish="stop", signals=None, origin=seen.origin)
    return cache


def test_lanes_come_in_order_and_say_which() -> None:
    cache = taught("What is your delivery time?")
    assert look(cache, asked("What is your delivery time?")).lane == "exact"
    found = look(cache, asked("what is your  delivery time"))
    assert (found.kind, found.lane, found.decision.action) == ("hit", "normalised", "normalised")
    assert "10 s ago" in found.decision.reason


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "globex"},
        {"endpoint": "shop"},
        {"system": "Be rude."},
        {"prompt_version": "v2"},
        {"policy_version": "p2"},
        {"levers_off": frozenset({"diet"})},
        {"rests_on": "policies"},
        {"widest_lane": "exact"},
        {"text": "what is your delivery time for two"},
    ],
)
def test_nothing_but_the_spelling_may_differ(other: dict[str, object]) -> None:
    cache = taught("What is your delivery time?")
    text = str(other.pop("text", "what is your delivery time"))
    assert look(cache, asked(text, **other)).kind == "lead"


def test_questions_of_one_slot_share_an_answer_though_they_sound_like_own_affairs() -> None:
    cache = taught("How do I get a refund?")
    found = look(cache, asked("refund policy"))
    assert (found.kind, found.lane) == ("hit", "normalised")
    assert "faq:refund_policy" in found.decision.reason
    assert look(cache, asked("how do I get a refund for my order")).kind == "bypass"


def test_off_switches() -> None:
    cache = CacheLever(Cache(normalised=False))
    assert look(cache, asked("What is your delivery time?")).origin is not None
    assert look(cache, asked("What is your delivery time?")).origin.normalised is None  # type: ignore[union-attr]


def test_identical_questions_in_flight_share_a_call_in_any_spelling() -> None:
    cache = CacheLever(Cache())
    first = look(cache, asked("What is your delivery time?"))
    assert first.key is not None
    assert first.origin is not None
    assert first.origin.normalised is not None
    flight = cache.flights.lead(first.key, first.origin.normalised)
    other = look(cache, asked("what is your delivery time"))
    assert other.kind == "follow"
    assert cache.flights.get(other.key or b"") is flight
    cache.flights.end(flight)
    assert look(cache, asked("what is your delivery time")).kind == "lead"
