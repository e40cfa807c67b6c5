"""`farthing audit` as people run it."""

import json
from pathlib import Path

from farthing.settings import load
from tests.cli.test_commands import farthing
from tests.lab.audit.traffic import clean


def written(path: Path, count: int = 40) -> Path:
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in clean(count)]
    path.write_text("".join(json.dumps(record) + "\n" for record in [*clean(count), *again]) + "{broken\n")
    return path


def test_the_playbook_on_paper_and_on_the_terminal(tmp_path: Path) -> None:
    done = farthing("audit", str(written(tmp_path / "log")), "--out", "out", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stderr.count("written: ")) == (0, 3)
    assert "Exact repeats" in done.stdout
    assert "1 broken records were skipped" in done.stdout
    assert load(tmp_path / "out" / "farthing.toml", {"OPENAI_API_KEY": "x"}).config.cache.enabled


def test_json_alone_on_standard_output(tmp_path: Path) -> None:
    done = farthing("audit", str(written(tmp_path / "log")), "--json", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    found = json.loads(done.stdout)
    assert (found["calls"], found["logs"]["broken"], done.stderr) == (80, 1, "")


def test_nothing_to_read_is_status_2_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Dear diary")
    unknown, missing = farthing("audit", "a.txt", cwd=tmp_path), farthing("audit", "gone.jsonl", cwd=tmp_path)
    assert (unknown.returncode, missing.returncode) == (2, 2)
    assert "unknown format, begins with 'Dear diary'" in unknown.stderr
    assert "LiteLLM spend logs" in unknown.stderr
    assert missing.stderr.startswith("There is no gone.jsonl.")
    assert "Traceback" not in unknown.stderr + missing.stderr


def test_a_wrong_time_is_a_wrong_command_line(tmp_path: Path) -> None:
    done = farthing("audit", str(written(tmp_path / "log")), "--since", "lately", cwd=tmp_path)
    assert done.returncode == 2
    assert "is no time" in done.stderr
