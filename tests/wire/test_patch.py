"""Only the named fields change; all other bytes stay where they were."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.errors import BadJson, InvalidRequest
from farthing.wire.patch import patch


@pytest.mark.parametrize(
    ("body", "changes", "result"),
    [
        (b'{ "model" : "a" , "n":1.00 }', {"model": b'"b"'}, b'{ "model" : "b" , "n":1.00 }'),
        (b'{"a":1,\n "model": [ 1, {"model":2} ]\n}', {"model": b"0"}, b'{"a":1,\n "model": 0\n}'),
        (b'{"x":{"model":"deep"},"model":"top"}', {"model": b'"b"'}, b'{"x":{"model":"deep"},"model":"b"}'),
        (b'{"x":{"model":"deep"},"mod\\u0065l":"top"}', {"model": b'"b"'}, b'{"x":{"model":"deep"},"mod\\u0065l":"b"}'),
        (b'{"model":1,"x":2,"model":3}', {"model": b"9"}, b'{"model":9,"x":2,"model":9}'),
        (b'{"model":1,"x":2,"model":3}', {"model": None}, b'{"x":2}'),
        (b'{"a":1}', {"b": b"2", "c": b"[3]"}, b'{"a":1,"b":2,"c":[3]}'),
        (b" {} ", {"b": b"2"}, b' {"b":2} '),
        (b'{"a":1, "b":2, "c":3}', {"a": None}, b'{"b":2, "c":3}'),
        (b'{"a":1, "b":2, "c":3}', {"b": None}, b'{"a":1, "c":3}'),
        (b'{"a":1, "b":2, "c":3 }', {"c": None}, b'{"a":1, "b":2 }'),
        (b'{"a":1, "b":2}', {"a": None, "b": None, "c": b"1"}, b'{"c":1}'),
        (b'{"a":1, "b":2}', {"a": None, "b": b"3", "c": b"1"}, b'{"b":3,"c":1}'),
        (b'{"t":"say \\"model\\": x","model":"a"}', {"model": b'"b"'}, b'{"t":"say \\"model\\": x","model":"b"}'),
        (b'{"t":"model","model":"a"}', {"model": b'"b"'}, b'{"t":"model","model":"b"}'),
        (b'{"a":"x, y } ]","model":"a"}', {"a": None}, b'{"model":"a"}'),
        (b'{"a":"\xff","model":"a"}', {"model": b'"b"'}, b'{"a":"\xff","model":"b"}'),
    ],
)
def test_patches(body: bytes, changes: dict[str, bytes | None], result: bytes) -> None:
    assert patch(body, changes) == result


@pytest.mark.parametrize("changes", [{}, {"b": None}, {"b": None, "c": None}])
def test_nothing_to_change_is_the_same_object(changes: dict[str, bytes | None]) -> None:
    body = b'{"a": 1}'
    assert patch(body, changes) is body


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7"])
def test_only_objects(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        patch(body, {"a": b"1"})


@pytest.mark.parametrize("body", [b"", b'{"a":1', b'{"a":1} x', b"{a:1}"])
def test_only_json(body: bytes) -> None:
    with pytest.raises(BadJson):
        patch(body, {"a": b"1"})


NAMES = st.sampled_from(["model", "stream", "n", 'q"uote', "back\\slash", "ü", ""])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["model", '"model":', "}", "\\", ',"n":1', "ü\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")])


def _last_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    changes=st.dictionaries(NAMES, st.none() | VALUES.map(lambda value: [value])),
    separators=SEPARATORS,
    ascii_only=st.booleans(),
)
def test_agrees_with_json(pairs: list[tuple[str, Any]], changes: dict[str, Any], separators: tuple[str, str], ascii_only: bool) -> None:
    comma, colon = separators

    def dump(value: Any) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=ascii_only)

    body = ("{" + comma.join(dump(name) + colon + dump(value) for name, value in pairs) + "}").encode()
    raw = {name: None if value is None else dump(value).encode() for name, value in changes.items()}
    expected = [(name, changes.get(name, value)) for name, value in pairs if name not in changes or changes[name] is not None]
    known = {name for name, _ in pairs}
    expected += [(name, value) for name, value in changes.items() if value is not None and name not in known]
    assert json.loads(patch(body, raw), object_pairs_hook=list) == json.loads(json.dumps(_Pairs(expected)), object_pairs_hook=list)


class _Pairs(dict[str, Any]):
    """A dict whose items may repeat, for `json.dumps`."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def items(self) -> Any:
        return self._pairs
