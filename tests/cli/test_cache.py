"""`farthing cache` as people run it."""

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import farthing
from tests.lab.cache.test_port import fill


def test_what_is_kept_can_be_seen_carried_over_and_forgotten(tmp_path: Path) -> None:
    fill(tmp_path / "a.db").close()
    listed = farthing("cache", "inspect", "--store", "a.db", cwd=tmp_path)
    assert (listed.returncode, listed.stdout.count("exact+normalised+semantic")) == (0, 2)
    one = json.loads(farthing("cache", "inspect", "ans_1", "--store", "a.db", cwd=tmp_path).stdout)
    assert (one["tenant"], one["answer"], one["source_docs"]) == ("globex", "Within 30 days.", ["help/a@1"])
    near = json.loads(farthing("cache", "inspect", "--question", "how do i return item 1", "--json", "--store", "a.db", cwd=tmp_path).stdout)
    assert near["same_spelling"] == ["ans_1"]
    out = farthing("cache", "export", "out.jsonl", "--tenant", "acme", "--store", "a.db", cwd=tmp_path)
    assert "3 rows" in out.stderr
    brought = farthing("cache", "import", "out.jsonl", "--store", "b.db", cwd=tmp_path)
    assert brought.stdout.startswith("3 rows written")
    stats = json.loads(farthing("cache", "stats", "--json", "--store", "b.db", cwd=tmp_path).stdout)
    assert [(one["tenant"], one["answers"], one["keys"]) for one in stats["scopes"]] == [("acme", 1, 2)]
    assert farthing("cache", "invalidate", "prompt", "v1", "--tenant", "globex", "--store", "a.db", cwd=tmp_path).stdout.startswith("forgot 1 ")
    assert farthing("cache", "clear", "--yes", "--store", "a.db", cwd=tmp_path).stdout.startswith("forgot 1 ")
    assert "Nothing is kept" in farthing("cache", "stats", "--store", "a.db", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("stats", "--store", "absent.db"), 2, "no store at absent.db"),
        (("inspect", "ans_9", "--store", "a.db"), 1, "No entry 'ans_9'"),
        (("inspect", "ans_1", "--question", "x", "--store", "a.db"), 2, "not both"),
        (("invalidate", "moon", "x", "--store", "a.db"), 2, "nothing that answers are forgotten by"),
        (("invalidate", "tag", "--store", "a.db"), 2, "Say which tag"),
        (("import", "absent.jsonl", "--store", "a.db"), 2, "Cannot read absent.jsonl"),
        (("export", "no/where.jsonl", "--store", "a.db"), 2, "Cannot write no/where.jsonl"),
        (("calibrate", "absent.jsonl", "--store", "a.db"), 2, "Cannot read absent.jsonl"),
    ],
)
def test_what_cannot_be_done_says_why(tmp_path: Path, arguments: tuple[str, ...], status: int, told: str) -> None:
    fill(tmp_path / "a.db").close()
    done = farthing("cache", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in " ".join(done.stderr.split())
