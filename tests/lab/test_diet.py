"""What `farthing diet` tells a person: the rules' own work, and advice that a text could take without meaning less."""

from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli.app import app
from farthing.config import Diet
from farthing.core.usage import Rate
from farthing.lab.diet import diff, explain, lint, worth_usd
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
