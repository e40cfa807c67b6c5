"""Eval scores from files, good and bad."""

import gzip
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from farthing.config import Store
from farthing.core.errors import ConfigError
from farthing.core.ledger import LedgerRow
from farthing.lab.quality.imports import bring_in
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rows import insert_requests
from tests.stores.samples import query

COLUMNS = "request_id, source, score, reference_score, label, comment, author, endpoint, tenant"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A ledger with requests req_0 to req_2."""
    made = Store(path=str(tmp_path / "farthing.db"))
    database.prepare(made)
    plain: dict[str, Any] = {**dict.fromkeys(LedgerRow.__struct_fields__), "endpoint": "faq", "tenant": "acme"}
    with closing(database.connect(made)) as connection:
        insert_requests(connection, [tuple({**plain, "request_id": f"req_{number}"}.values()) for number in range(3)])
    return tmp_path / "farthing.db"


def rows(store: Path) -> list[tuple[Any, ...]]:
    return query(str(store), f"SELECT {COLUMNS} FROM judgements ORDER BY id")


def test_jsonl_with_broken_lines_between(store: Path, tmp_path: Path) -> None:
    lines = [
        '{"request_id": "req_0", "score": 0.25, "reference_score": 1, "comment": "for ann@example.com", "model": "x"}',
        "",
        "{broken",
        '{"request_id": "req_9", "score": 1}',
        '{"request_id": "req_1", "score": 7}',
        '{"request_id": "req_1"}',
        '["req_1", 1]',
        '{"request_id": "req_2", "label": "wrong", "author": "eval-7"}',
    ]
    (tmp_path / "scores.jsonl").write_text("\n".join(lines))
    done = bring_in(tmp_path / "scores.jsonl", store, author="nightly")
    assert (done.written, done.unknown, done.broken.total(), done.lines) == (2, 1, 4, 7)
    assert done.examples[0] == "line 3: not JSON"
    assert any("req_9" in example for example in done.examples)
    assert rows(store) == [
        ("req_0", "eval", 0.25, 1.0, None, "for [email]", "nightly", "faq", "acme"),
        ("req_2", "eval", None, None, "wrong", None, "eval-7", "faq", "acme"),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_csv_plain_and_packed(store: Path, tmp_path: Path, packed: bool) -> None:
    text = '\ufeffrequest_id, score,label\r\nreq_0,0.5,"two\nlines"\r\nreq_1,high,\r\nreq_2,,\r\n'
    file = tmp_path / "scores.csv"
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    done = bring_in(file, store, author="a")
    assert (done.written, done.broken.total()) == (1, 2)
    assert rows(store)[0][:5] == ("req_0", "eval", 0.5, None, "two\nlines")


def test_the_same_file_again_changes_nothing(store: Path, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text('{"request_id": "req_0", "score": 0.25}\n')
    for score in ("0.25", "0.25", "0.75"):
        (tmp_path / "s.jsonl").write_text(f'{{"request_id": "req_0", "score": {score}}}\n')
        bring_in(tmp_path / "s.jsonl", store, author="a")
    bring_in(tmp_path / "s.jsonl", store, author="b")
    assert [(row[2], row[6]) for row in rows(store)] == [(0.75, "a"), (0.75, "b")]


@pytest.mark.parametrize(
    ("text", "what"), [("", "empty"), ("\n\n", "empty"), ("id;score\n1;2\n", "neither JSONL nor a CSV"), ("<xml/>", "neither JSONL nor a CSV")]
)
def test_files_without_scores_are_named(store: Path, tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "odd").write_text(text)
    with pytest.raises(ConfigError, match=what):
        bring_in(tmp_path / "odd", store, author="a")


def test_missing_files_are_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        bring_in(tmp_path / "none", store, author="a")
    with pytest.raises(ConfigError, match="no store"):
        bring_in(tmp_path / "none", tmp_path / "none.db", author="a")
