"""The command as people run it: what it prints, where, and its exit status."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from farthing import __version__
from farthing.settings import load
from tests.fakes.ledger import write

TOML = """
[server]
port = 9999

[services.mine]
base_url = "http://127.0.0.1:1/v1"
api_key_env = "MINE_KEY"

[models."mine-4.1"]
service = "mine"
input_usd_per_mtok = 0.5

[tiers]
cheap = ["mine/a"]
expensive = ["mine/b"]

[[route.rules]]
name = "say \\"hi\\""
tier = "cheap"
when = { task = ["qa"] }

[tenant_tiers]
acme = "enterprise"
"""


def farthing(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    command = [sys.executable, "-m", "farthing", *arguments]
    return subprocess.run(command, cwd=cwd, env=kept | environ, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command(tmp_path: Path) -> None:
    done = farthing("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert set(re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE)) == {
        "serve",
        "demo",
        "report",
        "router",
        "audit",
        "batch",
        "replay",
        "compare",
        "cache",
        "diet",
        "docs",
        "quality",
        "quantize",
        "local",
        "version",
        "keys",
        "config",
    }


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['farthing', '--help']\ntry:\n  from farthing.cli import main; main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & {"uvicorn", "starlette", "msgspec", "rich", "genai_prices", "sqlite3", "asyncio", "farthing.assemble"} == set()


def test_version(tmp_path: Path) -> None:
    assert farthing("version", cwd=tmp_path).stdout.startswith(f"farthing {__version__} (Python 3.")


def test_a_wrong_command_line_is_status_2(tmp_path: Path) -> None:
    for arguments in (["sing"], ["serve", "--port", "99999"], ["report", "--since", "yesterday"], ["keys", "create", "--expires", "soon"]):
        done = farthing(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_a_wrong_configuration_is_status_2_and_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text("[server]\nprot = 1\n")
    done = farthing("config", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "farthing.toml: unknown key 'server.prot'. Did you mean 'server.port'?\n")


def test_a_failure_is_status_1(tmp_path: Path) -> None:
    done = farthing("keys", "revoke", "key_none", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "There is no key 'key_none'. `farthing keys list` shows them all.\n")


def test_check_says_what_is_served_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(TOML)
    done = farthing("config", "check", cwd=tmp_path)
    assert done.returncode == 0
    assert "services: mine; cheap: mine/a; expensive: mine/b" in done.stdout
    assert "MINE_KEY is not set" in done.stdout
    assert "no price is known for mine/a" in done.stdout


def test_strict_check_wants_every_named_key(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(TOML)
    assert farthing("config", "check", "--strict", cwd=tmp_path).returncode == 2
    assert farthing("config", "check", "--strict", cwd=tmp_path, MINE_KEY="x").returncode == 0


def test_check_refuses_a_guard_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text('[[guard.rows]]\nname = "bad"\npattern = "(open"\n')
    done = farthing("config", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert "bad" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("describe", [[], ["--describe"]], ids=["plain", "describe"])
def test_show_prints_toml_that_means_the_same(tmp_path: Path, describe: list[str]) -> None:
    (tmp_path / "farthing.toml").write_text(TOML)
    shown = farthing("config", "show", *describe, cwd=tmp_path, MINE_KEY="secret-canary").stdout
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(again, {}).config == load(tmp_path / "farthing.toml", {}).config
    assert "secret-canary" not in shown
    assert ("# TCP port. (whole number, 0 to 65535)" in shown) is bool(describe)


def test_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(TOML)
    lines = farthing("config", "show", cwd=tmp_path).stdout.splitlines()
    assert "port = 9999  # farthing.toml" in lines
    assert 'host = "127.0.0.1"  # default' in lines
    assert "input_usd_per_mtok = 0.5  # farthing.toml" in lines
    assert 'acme = "enterprise"  # farthing.toml' in lines
    found = farthing("config", "show", cwd=tmp_path, FARTHING_CONFIG="/dev/null", OPENAI_API_KEY="x").stdout
    assert 'base_url = "https://api.openai.com/v1"  # OPENAI_API_KEY' in found
    assert tomllib.loads(found)["tiers"]["cheap"]


def test_keys_are_made_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    made = farthing("keys", "create", "--name", "web", "--tenant", "acme", "--rpm", "60", "--daily-usd", "0.5", "--models", "gpt-*,o3", cwd=tmp_path)
    secret = made.stdout.strip()
    assert re.fullmatch(r"fk-[\w-]{43}", secret)
    listed = farthing("keys", "list", cwd=tmp_path).stdout
    assert secret not in listed
    for shown in ("web", "acme", "active", "gpt-*, o3", "requests_per_minute 60", "daily_usd 0.5"):
        assert shown in listed
    key_id = re.findall(r"key_\w+", listed)[0]
    assert "is revoked" in farthing("keys", "revoke", key_id, cwd=tmp_path).stdout
    assert "revoked 20" in farthing("keys", "list", cwd=tmp_path).stdout


def test_an_expiry_is_shown(tmp_path: Path) -> None:
    farthing("keys", "create", "--expires", "30d", cwd=tmp_path)
    assert "active until 20" in farthing("keys", "list", cwd=tmp_path).stdout


def test_no_keys_says_that_loopback_is_open(tmp_path: Path) -> None:
    assert farthing("keys", "list", cwd=tmp_path).stdout.startswith("No keys. On loopback the gateway is open")


def test_report_prints_tables_or_json(tmp_path: Path) -> None:
    write(tmp_path / "farthing.db", [{"cost_picousd": 1, "endpoint": "faq"}, {"received_at": 4e9}])
    shown = farthing("report", "--by", "endpoint,tier", "--until", "2040-01-01", cwd=tmp_path)
    assert shown.returncode == 0
    assert "1 in 1 runs" in shown.stdout
    found = json.loads(farthing("report", "--json", "--since", "2090-01-01T00:00+01:00", "--store", "farthing.db", cwd=tmp_path).stdout)
    assert (found["total"]["requests"], found["since"]) == (1, 3786908400.0)


def test_report_writes_a_page_and_shows_the_margin_that_the_configuration_asks_for(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(TOML + "\n[endpoints.faq]\nvalue_usd = 0.01\n")
    write(tmp_path / "farthing.db", [{"cost_picousd": 10**9, "endpoint": "faq"}])
    done = farthing("report", "--html", "page.html", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Wrote page.html.\n")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert re.search(r"^faq +1 +0\.01000 +0\.001000 +0\.009000 ", farthing("report", cwd=tmp_path).stdout, re.MULTILINE)
    failed = farthing("report", "--html", "no/where.html", cwd=tmp_path)
    assert failed.returncode == 2
    assert "Cannot write no/where.html: No such file or directory." in failed.stderr
    assert "by endpoint" not in farthing("report", "--by", "none", cwd=tmp_path).stdout


def test_report_without_a_store_says_who_makes_it(tmp_path: Path) -> None:
    done = farthing("report", cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no store at farthing.db. `farthing serve` makes one" in done.stderr


def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path) -> None:
    line = f"{sys.executable} -m farthing config show --describe | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
