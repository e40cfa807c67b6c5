"""Rules for data in a text: JSON without its spaces, flat records as CSV.

Numbers and strings keep their spelling: only what stands between them goes. YAML and its kin are not used: on nested data they are longer.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

_START = re.compile(r"(?m)^[ \t]*(?=[\[{])")
_SPACE_OR_STRING = re.compile(r'("(?:[^"\\]|\\.)*+")|\s+')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]|[^"\[\]{}]+')
_LEAST = 24  # characters; below it there is nothing to gain
_LITERALS = frozenset({"true", "false", "null"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_LEAST_RECORDS = 3


def minify(text: str) -> str:
    """Every JSON object or array that begins a line, without space outside its strings."""
    return _each_value(text, lambda raw: _SPACE_OR_STRING.sub(lambda found: found[1] or "", raw))


def to_csv(text: str) -> str:
    """Every array of flat records with the same keys, as CSV under its header, where that is shorter and can be read back without doubt."""
    return _each_value(text, _as_csv)


def _each_value(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in _values(text):
        raw = text[start:end]
        parts += (text[done:start], change(raw))
        done = end
    return "".join(parts) + text[done:] if parts else text


def _values(text: str) -> Iterator[tuple[int, int]]:
    """Where the JSON values stand that begin a line and parse."""
    done = 0
    for match in _START.finditer(text):
        start = match.end()
        if start < done:
            continue
        end = _end_of(text, start)
        if end - start >= _LEAST and _parses(text[start:end]):
            yield start, end
            done = end


def _end_of(text: str, start: int) -> int:
    """Just behind the bracket that closes the one at `start`; `start` where none does."""
    depth = 0
    for piece in _PIECE.finditer(text, start):
        first = piece[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
            if depth == 0:
                return piece.end()
    return start


def _parses(raw: str) -> bool:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def _as_csv(raw: str) -> str:
    if raw[0] != "[":
        return raw
    records = msgspec.json.decode(raw)
    keys = _common_keys(records)
    if keys is None:
        return raw
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(keys)
    for record, spelled in zip(records, _spellings(raw), strict=True):
        cells = [spelled[key] for key in keys]
        if any(not _clear(record[key], cell) for key, cell in zip(keys, cells, strict=True)):
            return raw
        writer.writerow(cells)
    made = out.getvalue().rstrip("\n")
    return made if len(made) < len(raw) else raw


def _common_keys(records: Any) -> list[str] | None:
    """The keys that every record has, in the order of the first; `None` where they are no flat table."""
    if not isinstance(records, list) or len(cast("list[Any]", records)) < _LEAST_RECORDS or not isinstance(records[0], dict):
        return None
    rows = cast("list[dict[str, Any]]", records)
    keys = list(rows[0])
    if not keys or any(not isinstance(row, dict) or list(row) != keys for row in rows):  # pyright: ignore[reportUnnecessaryIsInstance]
        return None
    return keys if not any(isinstance(value, dict | list) for row in rows for value in row.values()) else None


def _spellings(raw: str) -> Iterator[dict[str, str]]:
    """Each record with its values as the JSON spells them; strings without their quotes, null as nothing."""
    for record in msgspec.json.decode(raw, type=list[dict[str, msgspec.Raw]]):
        yield {key: _spelled(bytes(value).decode()) for key, value in record.items()}


def _spelled(value: str) -> str:
    if value.startswith('"'):
        return msgspec.json.decode(value, type=str)
    return "" if value == "null" else value


def _clear(value: Any, cell: str) -> bool:
    """Whether the cell can be read back as this value: a string that looks like a number, a literal or nothing cannot."""
    if not isinstance(value, str):
        return True
    return bool(cell) and cell not in _LITERALS and not _NUMBER.match(cell) and "\n" not in cell
