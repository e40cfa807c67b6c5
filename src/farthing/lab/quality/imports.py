"""Scores of evals brought in: `farthing quality import FILE`.

JSONL (one object a line) or CSV (a head of names), told apart by their first character, plain or gzip. `request_id` and one of `score` and
`label` are needed; `reference_score`, `comment` and `author` are taken, other names passed over. Bringing in a file again changes nothing.

Guarantees: constant memory; a line that cannot be read, or is about no request of the ledger, is counted, the first few are shown, and the rest
goes on; comments lose personal data; what was written is committed in groups, so an interruption keeps what came before.
"""

import csv
import gzip
import itertools
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Annotated, Any, cast

import msgspec
from msgspec import Meta

from farthing.brain.check.redact import redact
from farthing.config import Store
from farthing.core.errors import ConfigError
from farthing.core.judgement import Judgement
from farthing.stores.sqlite import database
from farthing.stores.sqlite.judgements import find_subject, insert
from farthing.stores.sqlite.transaction import transaction

_GROUP = 500
_SHOWN = 5
_LONGEST_LINE = 1_048_576
Score = Annotated[float, Meta(ge=0, le=1)]


class Eval(msgspec.Struct, frozen=True):
    """One line."""

    request_id: Annotated[str, Meta(min_length=1, max_length=200)]
    score: Score | None = None
    reference_score: Score | None = None
    label: Annotated[str, Meta(max_length=100)] | None = None
    comment: Annotated[str, Meta(max_length=4000)] | None = None
    author: Annotated[str, Meta(max_length=100)] | None = None


class Imported(msgspec.Struct):
    """What became of the lines. `broken` by reason; `examples` are the first of them, with their line numbers."""

    written: int = 0
    unknown: int = 0  # about no request of this ledger
    broken: Counter[str] = msgspec.field(default_factory=Counter[str])
    examples: list[str] = []

    @property
    def lines(self) -> int:
        return self.written + self.unknown + self.broken.total()


def bring_in(path: Path, store_path: Path, *, author: str) -> Imported:
    """Read the file into the store. Raises `ConfigError` when there is no such file, no store, or nothing in it that looks like scores."""
    if not store_path.exists():
        raise ConfigError(f"There is no store at {store_path}. `farthing serve` makes one; name another with --store.")
    done = Imported()
    store = Store(path=str(store_path))
    database.prepare(store)
    with closing(database.connect(store)) as connection, _open(path) as file:
        found = _lines(file, path, done)
        while group := list(itertools.islice(found, _GROUP)):
            with transaction(connection):
                for number, line in group:
                    _write(connection, number, line, author, done)
    if not done.lines:
        raise ConfigError(f"{path} is empty. Expected JSONL or CSV with request_id and score.")
    return done


def _open(path: Path) -> IO[str]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        opened: Any = gzip.open if packed else open
        return opened(path, "rt", encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error


def _lines(file: IO[str], path: Path, done: Imported) -> Iterator[tuple[int, Eval]]:
    """Lines that can be read, with their numbers."""
    first = next((line for line in iter(lambda: file.readline(_LONGEST_LINE), "") if line.strip()), "")
    rows = itertools.chain([first], iter(lambda: file.readline(_LONGEST_LINE), "")) if first else iter(())
    objects = _json(rows, done) if first.lstrip("\ufeff \t").startswith("{") else _csv(rows, path, done)
    for number, fields in objects:
        try:
            said = msgspec.convert(fields, Eval, strict=False)
        except msgspec.ValidationError as error:
            _broken(done, number, f"{error}")
            continue
        if said.score is None and not said.label:
            _broken(done, number, "neither score nor label")
            continue
        yield number, said


def _json(rows: Iterator[str], done: Imported) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(rows, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            _broken(done, number, "not JSON")


def _csv(rows: Iterator[str], path: Path, done: Imported) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(rows)
    names = [name.strip().lstrip("\ufeff") for name in reader.fieldnames or ()]
    if names and "request_id" not in names:
        raise ConfigError(f"{path} is neither JSONL nor a CSV with a column 'request_id'. Its first line holds: {', '.join(names)[:200]}.")
    reader.fieldnames = names
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            _broken(done, reader.line_num, f"not CSV: {error}")
            continue
        if row is None:
            return
        fields = cast(dict[str | None, Any], row)
        yield reader.line_num, {name: value for name, value in fields.items() if name and value not in (None, "")}


def _write(connection: sqlite3.Connection, number: int, said: Eval, author: str, done: Imported) -> None:
    subject = find_subject(connection, said.request_id)
    if subject is None:
        done.unknown += 1
        if len(done.examples) < _SHOWN:
            done.examples.append(f"line {number}: no request '{said.request_id[:60]}' in the ledger")
        return
    insert(
        connection,
        Judgement(
            request_id=said.request_id,
            judged_at=time.time(),
            source="eval",
            score=said.score,
            reference_score=said.reference_score,
            label=said.label,
            comment=None if said.comment is None else redact(said.comment),
            tenant=subject.tenant,
            endpoint=subject.endpoint,
            model_tier=subject.model_tier,
            cache=subject.cache,
            experiment=subject.experiment,
            author=said.author or author,
        ),
    )
    done.written += 1


def _broken(done: Imported, number: int, reason: str) -> None:
    done.broken[reason] += 1
    if len(done.examples) < _SHOWN:
        done.examples.append(f"line {number}: {reason}")
