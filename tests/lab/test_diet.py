"""What `farthing diet` tells a person: the rules' own work, and advice that a text could take without meaning less."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli.app import app
from farthing.config import Diet, Lossy
from farthing.core.errors import ConfigError
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from farthing.lab.diet import dialect_of, diff, explain, explain_document, explain_lossy, lint, only_advice, worth_usd
from farthing.models.tokens import TokenCounter

COUNTER = TokenCounter()
PROMPT = """You are a helpful assistant. It is important that you answer in a clear and concise manner.

Please make sure to only use the context.


You must never invent order numbers. Under no circumstances should you invent order numbers.
<!-- v2 -->
{
  "tone": "friendly",
  "max": 5
}
"""


def count(text: str) -> int:
    return COUNTER.count(text, "gpt-4o")


def test_rules_and_advice() -> None:
    found = explain(PROMPT, "system", Diet(), count)
    assert [trim.rule for trim in found.trims] == ["json", "markdown"]  # three line ends are one token, as two are
    assert found.tokens_after == count(found.after) < found.tokens_before == count(PROMPT)
    assert [(one.line, one.kind, one.instead) for one in found.advice] == [
        (1, "wordy", "Answer concisely."),
        (3, "wordy", "Only use the context."),
        (6, "wordy", "Never invent order numbers. Never invent order numbers."),
        (6, "repeated", "said in line 6"),
    ]


def test_a_tight_prompt_gets_no_advice() -> None:
    assert list(lint("Answer from the context.\nAt most five bullets.\nSay you don't know when it is not there.", count)) == []


def test_a_diff_shows_what_a_rule_changed() -> None:
    found = explain(PROMPT, "system", Diet(rules=("json",)), count)
    assert '+{"tone":"friendly","max":5}' in diff(found.trims[0])


def test_worth() -> None:
    assert worth_usd(10, Rate(Decimal("2.5"), Decimal(10)), 1_000) == Decimal("0.025")
    assert worth_usd(10, None, 1_000) is None


def run(*arguments: str, text: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["diet", *arguments], input=text)
    return done.exit_code, done.output


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(PROMPT)
    code, said = run(str(tmp_path / "p.txt"), "--explain", "--write", str(tmp_path / "out.txt"))
    assert code == 0
    assert "USD per 1K requests" in said
    assert "<!-- v2 -->" in said
    assert '{"tone":"friendly","max":5}' in (tmp_path / "out.txt").read_text()
    assert run("-", "--json", text=PROMPT)[1].startswith("{")


@pytest.mark.parametrize(("name", "content"), [("absent.txt", None), ("latin.txt", b"caf\xe9")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = CliRunner().invoke(app, ["diet", str(tmp_path / name)])
    assert done.exit_code != 0
    assert name in str(done.exception)


def test_what_changes_with_every_request_belongs_at_the_end() -> None:
    prompt = "Today is 2026-11-25.\nYou answer for {{user_name}}.\nBe brief.\nRequest 2026-11-25T10:00"
    found = [one for one in lint(prompt, count) if one.kind == "volatile"]
    assert [(one.line, one.now) for one in found] == [(1, "2026-11-25"), (2, "{{user_name}}")]  # the last line may change
    assert not [one for one in lint("Be brief.\nNever invent {numbers}.\nAnswer.", count) if one.kind == "volatile"]


def test_only_advice_changes_nothing() -> None:
    found = only_advice(PROMPT, count)
    assert (found.after, found.trims) == (PROMPT, ())
    assert found.advice


LOSSY = Lossy(rules=("extract", "history", "results"), context_tokens=50, history_tokens=50, keep_turns=1)
FACTS = "\n\n".join(f"Shop number {number} opens at {number} o'clock. It is near the river. People like it." for number in range(1, 12))


def test_what_lossy_rules_would_leave_out() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": f"<context>\n{FACTS}\n</context>\nWhen does shop number 7 open?"}]}
    text = json.dumps(body)
    assert dialect_of(text) is Dialect.CHAT
    found = explain_lossy(text.encode(), Dialect.CHAT, LOSSY, count)
    assert found.tokens_after < found.tokens_before / 2
    assert "Shop number 7 opens" in found.after
    assert [trim.rule for trim in found.trims] == ["extract"]
    document = explain_document(FACTS, "When does shop number 7 open?", LOSSY, count)
    assert "Shop number 7 opens" in document.after
    assert document.tokens_after == count(document.after) <= 60


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ('{"input": "x"}', Dialect.RESPONSES),
        ('{"system": "", "messages": []}', Dialect.MESSAGES),
        ("Be brief.", None),
        ("[1]", None),
        ('{"a": 1}', None),
    ],
)
def test_which_dialect_a_file_is(text: str, dialect: Dialect | None) -> None:
    assert dialect_of(text) is dialect


def test_lossy_on_the_command_line(tmp_path: Path) -> None:
    run = CliRunner().invoke
    file = tmp_path / "facts.txt"
    file.write_text(FACTS * 20)
    shown = run(app, ["diet", str(file), "--lossy", "--explain", "--question", "When does shop number 7 open?"])
    assert shown.exit_code == 0, shown.output
    assert "extract" in shown.output
    assert "-Shop number 3 opens" in shown.output
    asked_nothing = run(app, ["diet", str(file), "--lossy"])
    assert isinstance(asked_nothing.exception, ConfigError)
    unknown = run(app, ["diet", str(file), "--lossy", "--endpoint", "nowhere"])
    assert isinstance(unknown.exception, ConfigError)
    linted = run(app, ["diet", str(file), "--lint"])
    assert linted.exit_code == 0
    assert "USD per 1M" in linted.output
