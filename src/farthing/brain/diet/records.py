"""Rules for data in a text: JSON without its spaces, flat records as CSV.

Numbers and strings keep their spelling: only what stands between them goes. YAML and its kin are not used: on nested data they are longer.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

_START = re.compile(r"(?m)^[ \t]*(?=[\[{])")
_SPACE_OR_STRING = re.compile(r'("(?:[^"\\]|\\.)*+")|\s+')
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)")
_FIRST_PLAIN = 0xA1  # below it: controls, quotes, and spaces that nobody sees
_DECODER = json.JSONDecoder()  # its scanner says where a value ends, at the speed of C
_LEAST = 24  # characters; below it there is nothing to gain
_LITERALS = frozenset({"true", "false", "null"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_LEAST_RECORDS = 3


def minify(text: str) -> str:
    """Every JSON object or array that begins a line, without space outside its strings and with its letters as letters."""
    return _each_value(text, _minified)


def _minified(raw: str) -> str:
    small = _SPACE_OR_STRING.sub(lambda found: found[1] or "", raw)
    return _ESCAPE.sub(_letter, small) if "\\u" in small else small


def _letter(match: "re.Match[str]") -> str:
    """The character that an escape stands for, where it may stand for itself."""
    high, low, single = match.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    code = int(single, 16) if single else 0
    return chr(code) if code >= _FIRST_PLAIN and not 0xD800 <= code < 0xE000 else match[0]


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
        try:
            end: int = _DECODER.raw_decode(text, start)[1]
        except (ValueError, RecursionError):
            continue
        if end - start >= _LEAST:
            yield start, end
            done = end


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
