"""Schemas: what passes, what is mended, what a caller may not ask for."""

import json

import pytest

from farthing.brain.check import check_answer, check_schema, repair_prompt
from farthing.core.errors import InvalidRequest

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


def test_a_valid_answer_passes_byte_for_byte():
    text = '{ "age":3,  "name":"Zoë" }\n'
    verdict = check_answer(PERSON, text)
    assert (verdict.ok, verdict.text, verdict.repaired, verdict.problem) == (True, text, False, None)


def test_fenced_answers_are_mended():
    verdict = check_answer(PERSON, 'Here:\n```json\n{"name": "Zoë",}\n```')
    assert (verdict.ok, verdict.text, verdict.repaired) == (True, '{"name": "Zoë"}', True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name": 3}', "at $.name: 3 is not of type"),
        ('{"age": 3}', 'at $: "name" is a required property'),
        ("I cannot do that.", "not JSON"),
        ('{"name": "cut', "not JSON"),
        ("", "not JSON"),
    ],
)
def test_what_cannot_be_mended_says_why(text, problem):
    verdict = check_answer(PERSON, text)
    assert (verdict.ok, verdict.text, verdict.repaired) == (False, text, False)
    assert verdict.problem is not None
    assert verdict.problem.startswith(problem)


def test_an_answer_that_was_cut_is_never_made_to_look_whole():
    cut = '{"name": "Ada"'
    assert check_answer(PERSON, cut).repaired
    assert not check_answer(PERSON, cut, complete=False).ok
    assert check_answer(PERSON, '{"name": "Ada"}', complete=False).ok


def test_deep_answers_are_a_verdict_not_a_crash():
    for depth in (200, 900, 100_000):
        assert not check_answer(PERSON, "[" * depth + "]" * depth).ok


def test_half_a_surrogate_pair_is_a_verdict():
    assert not check_answer(PERSON, '{"name": "\ud800"').ok


def test_the_repair_prompt_holds_schema_text_and_problem():
    prompt = repair_prompt(PERSON, "Zoë, 3", "not JSON")
    assert "not JSON" in prompt
    assert '"additionalProperties":false' in prompt
    assert prompt.endswith("Text:\nZoë, 3")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "obj"}, '"obj" is not valid'),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "references outside the schema are never fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "references outside the schema are never fetched"),
        ({"$schema": "http://127.0.0.1:9/meta"}, "meta"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"pattern": "(unclosed"}, "unclosed"),
        ({"pattern": r"(a)\1"}, "regex"),
        ({"pattern": r"\pL{900}{900}"}, "regex"),
        ({"$defs": {"a": {"$id": "http://x/y", "$ref": "#/b"}}}, "`$id` inside the schema"),
        ({"enum": ["x" * 70_000]}, "at most 65536"),
        ({"properties": {f"p{index}": {"pattern": "a"} for index in range(101)}}, "101 patterns"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_bad_request(schema, problem):
    with pytest.raises(InvalidRequest) as caught:
        check_schema(schema)
    assert caught.value.message.startswith("The JSON schema for the answer cannot be used: ")
    assert problem in caught.value.message
    assert (caught.value.status, caught.value.param) == (400, "response_format")


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_doubles_at_every_step_is_refused(word):
    definitions = {f"a{index}": {word: [{"$ref": f"#/$defs/a{index + 1}"}, {"$ref": f"#/$defs/a{index + 1}"}]} for index in range(40)}
    with pytest.raises(InvalidRequest, match="more than 10000 steps"):
        check_schema({"$defs": {**definitions, "a40": {"type": "integer"}}, "$ref": "#/$defs/a0"})


def test_the_same_with_anchors_and_indexes_is_refused():
    links = {f"a{index}": {"$anchor": f"n{index}", "not": {"$ref": f"#n{index + 1}"}, "if": {"$ref": f"#n{index + 1}"}} for index in range(40)}
    with pytest.raises(InvalidRequest, match="steps"):
        check_schema({"$defs": {**links, "a40": {"$anchor": "n40"}}, "$ref": "#n0"})
    ladder = [{"anyOf": [{"$ref": f"#/allOf/{index + 1}"}, {"$ref": f"#/allOf/{index + 1}"}]} for index in range(40)]
    with pytest.raises(InvalidRequest, match="steps"):
        check_schema({"allOf": [*ladder, {}]})


def test_a_long_chain_is_refused():
    chain = {f"a{index}": {"$ref": f"#/$defs/a{index + 1}"} for index in range(300)}
    with pytest.raises(InvalidRequest, match="references follow"):
        check_schema({"$defs": {**chain, "a300": {}}, "$ref": "#/$defs/a0"})


def test_recursive_schemas_are_fine():
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["children"]}
    assert check_answer(tree, '{"children": [{"children": []}]}').ok
    assert not check_answer(tree, '{"children": [{}]}').ok
    circle = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    assert check_answer(circle, "1").ok


def test_evil_text_for_a_pattern_is_fast_because_patterns_are_linear():
    verdict = check_answer({"type": "string", "pattern": "^(a+)+$"}, json.dumps("a" * 50_000 + "b"))
    assert not verdict.ok
