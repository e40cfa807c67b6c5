"""Mending JSON: what is read, what is refused, and that no text is slow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.check.mend import MAX_CHARS, Broken, mend

WANTED = {"name": "Ada", "tags": ["a", "b"], "age": 36, "ok": True, "none": None}


def anything(_value):
    return True


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "tags": ["a", "b"], "age": 36, "ok": true, "none": null}',
        'Sure! Here it is:\n```json\n{"name": "Ada", "tags": ["a", "b"], "age": 36, "ok": true, "none": null}\n```\nHope that helps.',
        '{"name": "Ada", "tags": ["a", "b",], "age": 36, "ok": true, "none": null,}',
        "{'name': 'Ada', 'tags': ['a', 'b'], 'age': 36, 'ok': True, 'none': None}",
        '{name: "Ada", tags: ["a"\n"b"], age: 36 , ok: true, none: undefined}',
        '{"name": "Ada", // the first\n "tags": ["a", /* and */ "b"], # last\n "age": 36, "ok": true, "none": null}',
        '{"name": "Ada"\n"tags": ["a", "b"]\n"age": 36,\n"ok": true, "none": null}',
        '{“name”: “Ada”, “tags”: [“a”, “b”], “age”: 36, “ok”: true, “none”: null}',
        '{"name": "Ada", "tags": ["a", "b"], "age": 36, "ok": true, "none": null',
        '{"name": "Ada", "tags": ["a", "b"], "age": 36, "ok": true, "none": null\n```',
    ],
)  # fmt: skip
def test_what_models_write_is_read(text):
    assert mend(text, anything) == WANTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "he said "hi" to me"}', {"a": 'he said "hi" to me'}),
        ('{"a": "line\none"}', {"a": "line\none"}),
        (r'{"a": "C:\dir\\x \u00e9 \q \u12"}', {"a": "C:\\dir\\x é \\q \\u12"}),
        (r"{'a': 'it\'s'}", {"a": "it's"}),
        ('{"a": 1.50, "b": -2e3, "c": 123456789012345678901234567890}', {"a": 1.5, "b": -2000.0, "c": 123456789012345678901234567890}),
        ("[[1, 2], [3", [[1, 2], [3]]),
        ('{"a": "x" // why\n}', {"a": "x"}),
    ],
)
def test_strings_numbers_and_open_brackets(text, expected):
    assert mend(text, anything) == expected


@pytest.mark.parametrize(
    "text",
    [
        "no JSON at all",
        '{"a": "cut in the mid',
        '{"a": 1, "b":',
        '{"a"',
        '{"a": nonsense}',
        '{"a": NaN}',
        '{: 1}',
        "[" * 100,
        '{"a": 1} or rather {"a": 2}',
        '["a" "b"]',
    ],
)  # fmt: skip
def test_nothing_is_guessed(text):
    with pytest.raises(Broken):
        mend(text, anything)


def test_only_what_fits_counts():
    text = 'The schema {"type": "object"} gives {"age": 3}, again: {"age": 3}'
    assert mend(text, lambda value: "age" in value) == {"age": 3}


def test_a_very_long_text_is_refused():
    with pytest.raises(Broken, match="longer than"):
        mend("[" + "1," * MAX_CHARS, anything)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: isinstance(value, (list, dict)))


@given(JSON_VALUES)
def test_valid_json_is_read_as_it_is(value):
    if any(key == "" for key in _keys(value)):
        return
    assert mend(json.dumps(value), lambda found: found == value) == value


def _keys(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*(value if isinstance(value, dict) else ()), *(key for child in children for key in _keys(child))]


@given(st.text(alphabet="{}[]\":,\\'“a1 \n/*#`", max_size=400))
def test_any_text_ends_in_a_value_or_broken(text):
    try:
        read = json.dumps(mend(text, anything))
    except Broken as error:
        read = str(error)
    assert read


class CountedText(str):
    """A text that counts how often one of its characters is looked at."""

    looks = 0

    def __getitem__(self, key):
        CountedText.looks += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("piece", ["{", "[", '["{]{]', '""1', "\"'", '{"a":"}', "//", "/*", '" ', "\\", ",", ": "])
def test_work_grows_with_length_and_no_faster(piece):
    looks = []
    for size in (2_000, 4_000):
        CountedText.looks = 0
        with pytest.raises(Broken):
            mend(CountedText('["' + piece * (size // len(piece))), lambda _value: False)
        looks.append(CountedText.looks)
    assert looks[1] <= 2.2 * looks[0] + 200
