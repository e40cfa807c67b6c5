"""Flows that cannot run are found when they are read, and the step is named."""

import msgspec
import pytest

from farthing.brain.flows import Plans, flow_mistakes
from farthing.brain.flows.names import Unknown
from farthing.brain.flows.place import Unfit, place_of, target_of
from farthing.config.flows import Flow
from farthing.core.errors import ConfigError

GOOD = {"do": "rules", "rows": [{"pattern": "refund", "value": "refund"}], "otherwise": "other"}


def flow(steps: dict[str, object], **fields: object) -> Flow:
    return msgspec.convert({"steps": steps, **fields}, Flow)


def mistakes(steps: dict[str, object], **fields: object) -> str:
    return "\n".join(flow_mistakes("f", flow(steps, **fields)))


def test_a_good_flow_has_none() -> None:
    reply = {"do": "llm", "prompt": "{kind}: {text} {input.id}", "when": {"kind": ["other"]}}
    assert mistakes({"kind": GOOD, "reply": reply}, input={"id": {}}) == ""


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({}, "has no steps"),
        ({"a": {"do": "llm", "prompt": "{b}"}, "b": {"do": "llm", "prompt": "{a}"}}, "steps.a waits for itself: a needs b needs a"),
        ({"a": {"do": "llm", "prompt": "{a}"}}, "steps.a waits for itself: a needs a"),
        ({"x": {"do": "llm", "prompt": "{b}"}, "b": {"do": "llm", "prompt": "{c}"}, "c": {"do": "llm", "when": {"b": ["1"]}}}, "b needs c needs b"),
        ({"a": {"do": "llm", "prompt": "{gone.id}"}}, "steps.a.prompt names {gone.id}, and there is no step 'gone'"),
        ({"a": {"do": "llm", "prompt": "{input.id}"}}, "no such input is declared"),
        ({"a": {"do": "llm", "prompt": "{text.x}"}}, "text has no parts"),
        ({"a": {"do": "classify"}, "b": {"do": "llm", "prompt": "{a.mood}"}}, "step 'a' gives complexity, domain"),
        ({"a": {"do": "llm", "when": {"gone": ["x"]}}}, "steps.a.when names {gone}"),
        ({"kind": GOOD, "b": {"do": "llm", "when": {"kind": ["refnd"]}}}, "waits for 'kind' to be 'refnd', which it never is"),
        ({"a": {"do": "llm", "system": "You serve {text}"}}, "steps.a.system may hold no names"),
        ({"a": {"do": "llm", "rows": [{"pattern": "x", "value": "y"}]}}, "rows is of no use in a step that does 'llm'"),
        ({"a": {"do": "rules"}}, "needs `rows`"),
        ({"a": {"do": "rules", "rows": [{"pattern": "(", "value": "y"}]}}, "flows.f.steps.a"),
        ({"a": {"do": "llm", "schema": "[1]"}}, "steps.a.schema is no JSON schema"),
        ({"a": {"do": "llm", "schema": "{"}}, "steps.a.schema is no JSON schema"),
        ({"a": {"do": "decide_and_answer", "actions": {"x": "y"}, "answers": ["z"]}}, "answers names 'z', which is no action"),
        ({"a": {"do": "retrieve"}}, "steps.a does 'retrieve' and needs `collection`"),
        ({"text": GOOD}, "a step's name is"),
        ({"a": {"do": "http", "url": "https://api.shop.example/", "method": "POST", "body": '{"q": "{text}"}'}}, "body is no JSON"),
    ],
)
def test_each_mistake_names_its_step(steps: dict[str, object], said: str) -> None:
    found = mistakes(steps, hosts=["api.shop.example"])
    assert said in found


def test_an_answer_that_names_nothing_is_one_too() -> None:
    assert "flows.f.answer names {gone}" in mistakes({"kind": GOOD}, answer=["{gone}"])


def test_what_is_shown_must_be_there() -> None:
    assert "flows.f.show names 'gone'" in mistakes({"kind": GOOD}, show=["gone"])


def test_a_bad_flow_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="waits for itself"):
        Plans({"f": flow({"a": {"do": "llm", "prompt": "{a}"}})})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://api.shop.example/x", "expected http:// or https://"),
        ("//api.shop.example/x", "expected http:// or https://"),
        ("file:///etc/passwd", "expected http:// or https://"),
        ("https://{text}/x", "no name may stand in the host"),
        ("https://{text}.shop.example/x", "no name may stand in the host"),
        ("https://api.shop.example@evil.example/", "no usable host"),
        ("https://user:pass@api.shop.example/", "no usable host"),
        ("https://evil.example/", "which is not in `hosts`"),
        ("https://api.shop.example.evil.example/", "which is not in `hosts`"),
        ("https://api.shop.example:8443/", "which is not in `hosts`"),
        ("https://127.0.0.1/", "which is not in `hosts`"),
        ("https://[::1]/", "which is not in `hosts`"),
        ("https://api.shop.example\\@evil.example/", "no usable host"),
        ("https://api.shop.example%2eevil.example/", "no usable host"),
        ("https://api.shop.example:99999/", "no usable host"),
        ("https:///x", "no usable host"),
        ("https://api.shop.example/a b", "printable ASCII"),
        ("https://api.shop.example/a\r\nx: y", "printable ASCII"),
        ("https://api.shop.example/#{text}", "fragments are not sent"),
    ],
)
def test_where_a_step_goes_is_the_configurations_alone(url: str, said: str) -> None:
    assert said in mistakes({"a": {"do": "http", "url": url}}, hosts=["api.shop.example"])


def test_private_hosts_are_hosts() -> None:
    found = mistakes({"a": {"do": "http", "url": "http://10.0.0.5:80/"}}, hosts=["10.0.0.5"], private_hosts=["10.0.0.5:80"])
    assert "private_hosts names '10.0.0.5:80', which is not in" in found


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("A-1", "/orders/A-1?q=A-1"),
        ("../admin", "/orders/..%2Fadmin?q=..%2Fadmin"),
        ("a?b=c&d", "/orders/a%3Fb%3Dc%26d?q=a%3Fb%3Dc%26d"),
        ("é \r\nx", "/orders/%C3%A9%20%0D%0Ax?q=%C3%A9%20%0D%0Ax"),
        ("@evil.example", "/orders/%40evil.example?q=%40evil.example"),
    ],
)
def test_a_value_stays_in_its_place(value: str, target: str) -> None:
    place = place_of("https://api.shop.example/orders/{text}?q={text}")
    assert target_of(place, {"text": value}) == target
    assert (place.tls, place.host, place.port) == (True, "api.shop.example", 443)


@pytest.mark.parametrize("value", ["..", ".", "", "x" * 9000])
def test_a_value_that_would_leave_its_place_is_refused(value: str) -> None:
    with pytest.raises(Unfit):
        target_of(place_of("https://api.shop.example/orders/{text}"), {"text": value})


def test_an_unknown_value_is_no_empty_one() -> None:
    with pytest.raises(Unknown):
        target_of(place_of("https://api.shop.example/{text}"), {})
