"""Entries out of one store and into another: `farthing cache export` and `import`.

JSONL, one row of the store a line: `{"lane": "answer", ...}` of the exact and normalised lanes, `{"lane": "lesson", ...}` of the semantic one. Bytes
are base64. An entry keeps its tenant: its key is made of it, so that no import can hand one tenant's answer to another.

Guarantees: an import writes every usable line or, at the first that is not whole, nothing, and says which line that is; what has expired, is there
already, was dropped within the hour, or rests on documents that have changed here, is left out and counted.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec

from farthing.brain.cache.persist import AnswerMeta, answer_of
from farthing.brain.lessons import Written, encode, read
from farthing.core.errors import ConfigError
from farthing.core.forgetting import Facts
from farthing.stores.sqlite.answers import StoredAnswer
from farthing.stores.sqlite.cachefile import CacheFile, Row
from farthing.stores.sqlite.semantic import Lesson

_KEY_BYTES = 32


class Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the file; which fields are there is the lane's business."""

    lane: Literal["answer", "lesson"]
    tenant: str
    endpoint: str
    entry_id: str
    created_at: float
    expires_at: float
    key: bytes | None = None
    meta: AnswerMeta | None = None
    body: bytes | None = None
    embedder: str | None = None
    vector: bytes | None = None
    lesson: Written | None = None


class Brought(msgspec.Struct):
    """What became of a file."""

    written: int = 0
    expired: int = 0
    left_out: int = 0


_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Line).decode


def export(file: CacheFile, tenant: str | None, out: IO[bytes]) -> int:
    """Write live rows; how many. Rows that cannot be read are passed over."""
    count = 0
    for stored in file.answers(tenant):
        answer = answer_of(stored)
        if answer is None:
            continue
        meta = msgspec.json.decode(stored.meta, type=AnswerMeta)
        head = (stored.tenant, stored.endpoint, stored.entry_id, stored.created_at, stored.expires_at)
        out.write(_encode(Line("answer", *head, key=stored.key, meta=meta, body=stored.body)) + b"\n")
        count += 1
    for lesson in file.lessons(tenant):
        written = read(lesson.lesson)
        if written is None:
            continue
        head = (lesson.tenant or "", lesson.endpoint or "", lesson.entry_id, lesson.created_at, lesson.expires_at)
        out.write(_encode(Line("lesson", *head, embedder=lesson.embedder, vector=lesson.vector, lesson=written)) + b"\n")
        count += 1
    return count


def bring_in(file: CacheFile, path: Path, tenant: str | None) -> Brought:
    """All usable lines or none. Raises `ConfigError` that names the line."""
    done = Brought()
    try:
        with path.open("rb") as lines:
            done.written, done.left_out = file.import_all(_rows(lines, path, tenant, done))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror or error}.") from None
    return done


def _rows(lines: IO[bytes], path: Path, tenant: str | None, done: Brought) -> Iterator[Row]:
    now = time.time()
    known: dict[str, Facts] = {}  # of answers in the file, for the other questions that lead to them
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            line = _decode(raw)
            row = _row(line, known)
        except (msgspec.MsgspecError, ValueError) as error:
            raise ConfigError(f"Line {number} of {path} is no entry: {error}. Nothing was imported.") from None
        if tenant not in (None, line.tenant):
            raise ConfigError(f"Line {number} of {path} belongs to tenant '{line.tenant}', not to '{tenant}'. Nothing was imported.")
        if line.expires_at <= now:
            done.expired += 1
            continue
        yield row


def _row(line: Line, known: dict[str, Facts]) -> Row:
    """Raises `ValueError` for a line that is not whole."""
    if line.lane == "answer":
        if line.key is None or len(line.key) != _KEY_BYTES or line.meta is None or line.body is None:
            raise ValueError(f"an answer has a key of {_KEY_BYTES} bytes, meta and body")
        meta = msgspec.json.encode(line.meta)
        stored = StoredAnswer(line.key, line.tenant, line.endpoint, line.entry_id, line.created_at, line.expires_at, meta, line.body)
        answer = answer_of(stored)
        if answer is None:
            raise ValueError("its meta cannot be read")
        return stored, answer.facts(line.tenant)
    if line.embedder is None or line.vector is None or len(line.vector) % 2 or line.lesson is None:
        raise ValueError("a lesson has an embedder, a vector of half-precision numbers, and what was learned")
    kept = line.lesson.kept
    if not line.vector and kept.later_of is None:
        raise ValueError("a question has a vector")
    if kept.entry_id != line.entry_id or (kept.entry is not None and kept.entry.tenant != line.tenant):
        raise ValueError("the lesson inside is another entry's, or another tenant's")
    bare = Facts(line.entry_id, line.tenant, line.endpoint, line.created_at)
    facts = known.get(line.entry_id, bare) if kept.entry is None else known.setdefault(line.entry_id, kept.entry.facts)
    head = (line.entry_id, line.tenant, line.endpoint, line.created_at, line.expires_at, line.embedder, line.vector)
    return Lesson(*head, encode(line.lesson)), facts
