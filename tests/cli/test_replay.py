"""`farthing replay` and `farthing compare` as people run them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_commands import farthing

TOML = """
[services.openai]
base_url = "http://127.0.0.1:1/v1"

[models.small]
input_usd_per_mtok = 1.0
output_usd_per_mtok = 2.0

[models.big]
input_usd_per_mtok = 10.0
output_usd_per_mtok = 20.0

[tiers]
cheap = ["openai/small"]
expensive = ["openai/big"]
"""
OFF = '\n[endpoints.default]\nlevers_off = ["cache", "route", "diet", "check"]\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A log of thirty calls with one broken line, and two configurations."""
    lines = [
        json.dumps(
            {
                "id": f"call-{number}",
                "timestamp": 1_760_011_200 + number,
                "request": {"model": "big", "temperature": 0, "messages": [{"role": "user", "content": f"What is {number % 10}?"}]},
                "response": {
                    "model": "big",
                    "choices": [{"message": {"role": "assistant", "content": "A number."}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
                },
                "latency": 0.5,
            }
        )
        for number in range(30)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"broken": ']) + "\n")
    (tmp_path / "new.toml").write_text(TOML)
    (tmp_path / "off.toml").write_text(TOML + OFF)
    return tmp_path


def replay(place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return farthing("replay", "log.jsonl", "--config", "new.toml", "--config", "off.toml", *more, cwd=place)


def test_the_table_names_every_configuration_and_what_was_skipped(place: Path) -> None:
    done = replay(place)
    assert done.returncode == 0, done.stderr
    for said in ("30 requests in 30 runs", "1 records are broken", "as logged", "new.toml", "off.toml", "66.7%", "0.006"):
        assert said in done.stdout


def test_json_goes_to_compare(place: Path) -> None:
    done = replay(place, "--json", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [lane["name"] for lane in found["lanes"]] == ["as logged", "new.toml", "off.toml"]
    assert (found["lanes"][0]["cost_usd"], found["lanes"][2]["cost_usd"]) == ("0.006", "0.006")
    assert len(found["requests"]["id"]) == 30
    assert (place / "page.html").read_text().startswith("<!doctype html>")
    (place / "a.json").write_text(done.stdout)
    compared = farthing("compare", "a.json#off.toml", "a.json#new.toml", cwd=place)
    assert compared.returncode == 0, compared.stderr
    assert "lower" in compared.stdout
    as_json = json.loads(farthing("compare", "a.json", "a.json", "--json", cwd=place).stdout)
    assert {line["difference"]["value"] for line in as_json["lines"]} == {0.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "nowhere.jsonl", "--config", "new.toml"), "nowhere.jsonl"),
        (("replay", "log.jsonl", "--config", "missing.toml"), "missing.toml"),
        (("replay", "log.jsonl", "--config", "new.toml", "--out", "page.pdf"), ".html or .json"),
        (("replay", "log.jsonl", "--config", "new.toml", "--ask", "farthing/best"), "farthing/auto"),
        (("replay", "-", "--config", "new.toml"), "standard input"),
        (("replay", "empty.jsonl", "--config", "new.toml"), "No model call found"),
        (("compare", "log.jsonl", "log.jsonl"), "is no replay"),
    ],
)
def test_mistakes_are_said_and_fail(arguments: tuple[str, ...], said: str, place: Path) -> None:
    (place / "empty.jsonl").write_text("")
    done = farthing(*arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
