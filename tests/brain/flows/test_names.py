"""Texts with names in them."""

import pytest

from farthing.brain.flows.names import Unknown, as_json, fill, names_in

KNOWN = {"text": "hi {order}", "order": {"id": "A-1", "lines": [{"n": 2}], "paid": True, "none": None}, "n": 3}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{order.id}", "A-1"),
        ("{order.lines.0.n} of {n}", "2 of 3"),
        ("{order.lines}", '[{"n":2}]'),
        ("{order.paid}", "true"),
        ("{missing|order.id}", "A-1"),
        ("[{missing?}]", "[]"),
        ("{{order.id}} {n}", "{order.id} 3"),
        ('{"a": 1} {n}', '{"a": 1} 3'),
        ("{text}", "hi {order}"),
    ],
)
def test_values_take_the_place_of_names(text: str, filled: str) -> None:
    assert fill(text, KNOWN) == filled


@pytest.mark.parametrize("text", ["{missing}", "{order.none}", "{order.lines.7}", "{order.lines.x}", "{n.deeper}", "{text.__class__}"])
def test_what_is_not_known_is_an_error(text: str) -> None:
    with pytest.raises(Unknown):
        fill(text, KNOWN)


def test_json_keeps_hostile_text_inside_its_string() -> None:
    assert fill('{"q": {text}}', {"text": '","admin":true,"x":"'}, as_json) == '{"q": "\\",\\"admin\\":true,\\"x\\":\\""}'


def test_names_are_listed() -> None:
    assert [*names_in("{a.b|c} {d?} {{e}} {not a name}")] == ["a.b", "c", "d"]
