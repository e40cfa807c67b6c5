"""Same question, same key; another question, another key."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.errors import BadJson, InvalidRequest, TooDeep
from farthing.core.request import Dialect
from farthing.wire.canonical import canonical

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}


def key(body: Any, dialect: Dialect = Dialect.CHAT) -> bytes:
    return canonical(dialect, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "other"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "u", "safety_identifier": "s", "metadata": {"a": "b"}},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "store": True, "service_tier": "flex"},
    ],
)
def test_fields_of_no_consequence(fields: dict[str, Any]) -> None:
    assert key(BODY | fields) == key(BODY)


def test_spacing_order_and_escapes_do_not_matter() -> None:
    assert key(b'{"b": {"y": 1, "x": "\\u00e9"}, "a": 2}') == key('{"a":2,"b":{"x":"é","y":1}}'.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"seed":1180591620717411303424}', b'{"seed":1180591620717411303425}'),
        (b'{"seed":9007199254740993}', b'{"seed":9007199254740992}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":"1"}', b'{"a":1}'),
        (b'{"a":true}', b'{"a":1}'),
        (b'{"messages":[{"role":"user","content":"a","name":"x"}]}', b'{"messages":[{"role":"user","content":"a"}]}'),
        (b'{"x":{"model":"a"}}', b'{"x":{"model":"b"}}'),
        (b'{"a":"\\u0000"}', b'{"a":""}'),
    ],
)
def test_other_questions_never_collide(one: bytes, other: bytes) -> None:
    assert key(one) != key(other)


def test_dialects_never_collide() -> None:
    assert len({key(BODY, dialect) for dialect in Dialect}) == len(Dialect)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", BadJson),
        (b'{"a":"\\ud800"}', BadJson),
        (b'{"a":"\xff"}', BadJson),
        (b'{"a":NaN}', BadJson),
        (b'{"a":1e999}', InvalidRequest),
        (b"[]", InvalidRequest),
        (b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", TooDeep),
    ],
)
def test_errors_are_typed(body: bytes, error: type[InvalidRequest]) -> None:
    with pytest.raises(error):
        key(body)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(one=st.dictionaries(st.sampled_from("abc"), VALUES), other=st.dictionaries(st.sampled_from("abc"), VALUES))
def test_equal_keys_mean_equal_bodies(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(one) == key(json.dumps(one, indent=1, sort_keys=True).encode())
    if one != other:
        assert key(one) != key(other)
    assert json.loads(key(one).removeprefix(b"chat")) == one
