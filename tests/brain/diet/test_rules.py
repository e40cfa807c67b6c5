"""Each rule: what it takes out, what it must leave, and that a second helping changes nothing."""

import csv
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.brain.diet.base import Rule
from farthing.brain.diet.noise import Phrases, html_text, repeated_lines
from farthing.brain.diet.prose import markdown, whitespace
from farthing.brain.diet.protect import CODE, WORDS, put_back, take_out
from farthing.brain.diet.records import minify, to_csv
from farthing.brain.diet.repeats import Seen
from farthing.brain.diet.rules import BOILERPLATE, data_rules, prose_rules
from farthing.brain.diet.text import Table
from farthing.models.tokens import TokenCounter

EVERY = ("whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate")
COUNTER = TokenCounter()


def count(text: str) -> int:
    return COUNTER.count(text, "gpt-4o")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a  \n\n\n\nb", "a\n\nb"),
        ("line one  \nline two", "line one  \nline two"),  # Markdown's line break stays
        ("\ufeffzero\u200bwidth", "zerowidth"),
        ("    indented   code-like", "    indented   code-like"),
        ("one  two", "one two"),
        ("a   b   c", "a   b   c"),  # two runs may be columns
        ("dos\r\nline", "dos\nline"),
    ],
)
def test_whitespace(before: str, after: str) -> None:
    assert whitespace(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x <!-- todo\nmore --> y", "x  y"),
        ("[![build](https://a/b.svg)](https://a) Title", "Title"),
        ("---\ntitle: a\n---\nBody", "---\ntitle: a\n---\nBody"),
        ("| a   | b  |\n|-----|:---:|\n| 1   | 2  |", "|a|b|\n|-|:-:|\n|1|2|"),
        ("| a \\| b |", "| a \\| b |"),  # an escaped bar is no cell's end
        ("==========", "==="),
        ("## Head ##", "## Head"),
        ("[text](https://a/b) and **bold**", "[text](https://a/b) and **bold**"),
    ],
)
def test_markdown(before: str, after: str) -> None:
    assert markdown(before) == after


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    value=st.lists(json_values, min_size=1, max_size=4) | st.dictionaries(st.text(max_size=6), json_values, min_size=1),
    indent=st.none() | st.integers(0, 4),
)
def test_minified_json_is_the_same_value_in_fewer_tokens(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    made = minify(text)
    assert json.loads(made) == json.loads(text)
    assert minify(made) == made
    assert len(made) <= len(text)


def test_minify_keeps_the_spelling_of_numbers_and_the_words_around() -> None:
    assert minify('Result:\n{"a" : 1.50,\n "b":[ 1e5, "x  y" ] }\nThen {not json at all, really not}') == (
        'Result:\n{"a":1.50,"b":[1e5,"x  y"]}\nThen {not json at all, really not}'
    )


def test_minify_writes_letters_as_letters() -> None:
    value = {"city": "Zürich 🙂", "quote": 'a "b" \\u00e9 \n\x01', "more": "Ελλάδα", "lone": "\\ud83d"}
    text = json.dumps(value)
    made = minify(text)
    assert "Zürich 🙂" in made
    assert json.loads(made) == value
    assert minify(made) == made


def test_minify_leaves_broken_json() -> None:
    for text in ('{"a": 1, "b": [1, 2, 3, 4, 5, 6 }', '{"a": 1, "b": "never closed, at all', "{'single': 'quotes', 'are': 'python'}"):
        assert minify(text) == text


RECORDS = [{"id": number, "name": f"item, {number}", "ok": number % 2 == 0, "note": None} for number in range(4)]


def test_flat_records_become_csv_that_reads_back() -> None:
    made = to_csv(json.dumps(RECORDS))
    rows = list(csv.DictReader(io.StringIO(made)))
    assert [row["name"] for row in rows] == [record["name"] for record in RECORDS]
    assert [(int(row["id"]), row["ok"] == "true", row["note"] or None) for row in rows] == [(r["id"], r["ok"], r["note"]) for r in RECORDS]


@pytest.mark.parametrize(
    "records",
    [
        RECORDS[:2],  # too few to pay
        [{"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}],  # not one table
        [{"a": {"b": 1}}] * 3,  # nested
        [{"a": "1"}] * 3,  # a string that would read as a number
        [{"a": ""}] * 3,  # nothing or null?
        [{"a": "two\nlines"}] * 3,
    ],
)
def test_what_csv_could_not_say_without_doubt_stays_json(records: object) -> None:
    text = json.dumps(records)
    assert to_csv(text) == text


def test_a_page_becomes_its_text() -> None:
    page = (
        "<!doctype html><html><head><title>Refunds</title><style>p{color:red}</style></head><body><nav><a href='/a'>Home</a></nav>"
        "<h1>Refund policy</h1><p>Within <b>30</b> days &amp; unused.</p><ul><li>Shoes</li><li>Hats</li></ul>"
        "<table><tr><td>A</td><td>B</td></tr></table><script>track()</script><!-- x --></body></html>"
    )
    assert html_text(page) == "Refunds\n[Home](/a)\n# Refund policy\nWithin 30 days & unused.\n- Shoes\n- Hats\nA | B"
    assert html_text("Use <b>bold</b> here") == "Use <b>bold</b> here"


def test_equal_log_lines_are_counted() -> None:
    assert repeated_lines("start\nretry\nretry\nretry\nretry\nend") == "start\nretry (x4)\nend"
    assert repeated_lines("a\na\nb") == "a\na\nb"
    assert repeated_lines("\n\n\n\n") == "\n\n\n\n"


def test_phrases_go_only_as_whole_lines() -> None:
    drop = Phrases(BOILERPLATE)
    assert drop("Title\nSkip to main content\nBody: all rights reserved by law.\n* Accept all cookies.\n") == (
        "Title\nBody: all rights reserved by law.\n"
    )
    assert Phrases(())("anything") == "anything"


def test_repeated_paragraphs_stay_once() -> None:
    long = "Refunds are given within thirty days of purchase, for unused goods in their original packaging."
    seen = Seen()
    assert seen.without_repeats(f"{long}\n\nShort.\n\nShort.\n\n{long.replace(' ', '  ')}") == f"{long}\n\nShort.\n\nShort."
    assert seen.without_repeats(long) == ""  # the caller keeps a text that would vanish


@pytest.mark.parametrize("text", ["`a   b`", "```\na   \n\n\n\nb\n```", 'say "a  b" to', "see [x](http://a/b--c)"])
def test_what_is_protected_comes_back_as_it_was(text: str) -> None:
    for what in (CODE, WORDS):
        taken = take_out(text, what)
        assert taken is not None
        assert put_back(*taken) == text


def test_our_own_marks_leave_a_text_alone() -> None:
    assert take_out("a \ue0000\ue001", WORDS) is None


texts = st.lists(
    st.sampled_from(
        [
            "word",
            "  ",
            "\n",
            "\n\n\n",
            "|a | b|",
            "| - |",
            "`x   y`",
            '"q  q"',
            "```\n",
            "---\n",
            "<!--c-->",
            '{"a": [1,  2, 3, 4, 5, 6, 7]}',
            "- item",
            "1,234.50",
            "\t",
            "#  H #",
            "x" * 90,
        ]
    ),
    max_size=14,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(text=texts, part=st.sampled_from(["system", "assistant", "tool", "documents"]))
def test_a_text_never_gets_longer_and_keeps_its_words(text: str, part: str) -> None:
    once, _ = Table(EVERY, BOILERPLATE).trim(text, part, Seen(), count)  # type: ignore[arg-type]
    assert count(once) <= count(text)
    assert set(once.split()) or not text.strip()
    assert once.count("`x   y`") == text.count("`x   y`")
    if part == "assistant":
        assert re.findall(r"[\d,.]+", once) == re.findall(r"[\d,.]+", text)


@settings(deadline=None, max_examples=300)
@given(text=texts, rule=st.sampled_from([*data_rules(), *prose_rules(BOILERPLATE)]))
def test_every_rule_twice_is_once(text: str, rule: Rule) -> None:
    once = rule.apply(text)
    assert rule.apply(once) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[![build](https://a/b.svg)](https://a) Title of it", "Title of it"),
        ('<a href="https://a/b" title="there">the   place</a> and "two  words"', '[the place](https://a/b) and "two  words"'),
        ('<p align="center"><img src="https://a/b.png" alt="A cat"></p>\n\nText.', "A cat\n\nText."),
        ('He said "<b>two  words</b>" to me.', 'He said "<b>two  words</b>" to me.'),  # quoted words are the author's
        ("See [the   docs](https://a/b?x=<c>) now.", "See [the docs](https://a/b?x=<c>) now."),
    ],
)
def test_markup_goes_with_its_attributes_and_quotations_stay(before: str, after: str) -> None:
    assert Table(("markdown", "whitespace"), ()).trim(before, "documents", Seen(), count)[0].strip() == after
