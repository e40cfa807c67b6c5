"""Blocks: about a megabyte of whole records, the unit that can be handed to another process; and what reading one gives.

Reading is a pure function of the block, so that it can be done anywhere and in any order.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, cast

import msgspec

from farthing.lab.logs import exchange, helicone, langfuse, ledger, litellm, otel
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.outcome import Format, NoCall
from farthing.lab.logs.record import Record

FORMATS: tuple[Format, ...] = (ledger, otel, litellm, langfuse, helicone, exchange)  # the most particular first
MOST_BYTES = 64 << 20  # of one record
SAMPLES = 20  # of broken records that a block keeps

_PAGES = ("data", "rows", "results")  # where APIs put the records of a page
_SHOWN_NAMES = 12

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Block(msgspec.Struct, frozen=True):
    """Whole records of one file, in order; `first` is the number of the first line or row."""

    file: str
    kind: Literal["lines", "objects", "csv", "rows"]
    first: int
    payload: bytes | list[bytes] | list[dict[str, Any]]
    header: tuple[str, ...] = ()  # of a CSV file
    delimiter: str = ","


class Batch(msgspec.Struct):
    """What a block held. `broken` counts all, `samples` are the first few with place and reason."""

    calls: list[LoggedCall] = []
    kept: int = 0  # calls that are wanted
    outside: int = 0  # calls before `since`, or without a time when there is one
    without_usage: int = 0
    currencies: dict[str, int] = {}
    records: int = 0
    skipped: int = 0  # sound, and no model call
    broken: int = 0
    samples: list[tuple[str, str]] = []
    formats: dict[str, int] = {}


def read_block(block: Block, since: float | None = None) -> Batch:
    """Every call of a block that is not before `since`; a record that cannot be read costs nothing but itself."""
    batch, formats = Batch(), Counter[str]()
    last: Format | None = None
    for number, found in _records(block):
        source = f"{block.file}:{number}"
        batch.records += 1
        try:
            record = found if isinstance(found, Record) else Record(_decoder.decode(found))
            last = _read(record, source, last, batch)
            formats[last.name] += 1
        except NoCall:
            batch.skipped += 1
        except (ValueError, TypeError, ArithmeticError, RecursionError, AttributeError) as fault:
            batch.broken += 1
            if len(batch.samples) < SAMPLES:
                batch.samples.append((source, _reason(fault, found)))
    batch.formats = dict(formats)
    _sift(batch, since)
    return batch


def _sift(batch: Batch, since: float | None) -> None:
    """Keep what is wanted, and count what it does not say."""
    calls = batch.calls
    if since is not None:
        batch.calls = [call for call in calls if call.received_at is not None and call.received_at >= since]
    batch.kept, batch.outside = len(batch.calls), len(calls) - len(batch.calls)
    batch.without_usage = sum(call.tokens_in is None or call.tokens_out is None for call in batch.calls)
    batch.currencies = dict(Counter(call.currency for call in batch.calls if call.currency is not None))


def fitting(names: frozenset[str]) -> Format | None:
    """The format that a record with these fields is of."""
    return next((each for each in FORMATS if each.fits(names)), None)


def _read(record: Record, source: str, last: Format | None, batch: Batch) -> Format:
    names = frozenset(record.fields)
    found = last if last is not None and last is not exchange and last.fits(names) else fitting(names)
    if found is None:
        return _page(record, source, last, batch)
    batch.calls += found.read(record, source)
    return found


def _page(record: Record, source: str, last: Format | None, batch: Batch) -> Format:
    """An object that wraps a list of records, as APIs answer."""
    found: Format | None = None
    for name in _PAGES:
        for at, child in enumerate(record.children(name), start=1):
            if fitting(frozenset(child.fields)) is None:
                break
            try:
                found = last = _read(child, f"{source}#{at}", last, batch)
            except NoCall:
                batch.skipped += 1
    if found is None:
        names = sorted(record.fields)
        more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        raise ValueError(f"no known format has the fields {', '.join(names[:_SHOWN_NAMES]) or '(none)'}{more}")
    return found


def _records(block: Block) -> Iterator[tuple[int, bytes | Record]]:
    """Each record with its number."""
    if block.kind == "lines":
        for number, line in enumerate(cast(bytes, block.payload).split(b"\n"), start=block.first):
            if line and not line.isspace():
                yield number, line
    elif block.kind == "objects":
        yield from enumerate(cast(list[bytes], block.payload), start=block.first)
    elif block.kind == "rows":
        for number, row in enumerate(cast(list[dict[str, Any]], block.payload), start=block.first):
            yield number, Record(row)
    else:
        yield from _csv(block)


def csv_cells(raw: bytes, delimiter: str) -> Iterator[list[str]]:
    """The rows of some CSV. What the reader cannot take (NUL, a lone carriage return) is taken for a space; that loses no row."""
    csv.field_size_limit(MOST_BYTES)
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", " ").replace("\0", " ")
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _csv(block: Block) -> Iterator[tuple[int, bytes | Record]]:
    number = block.first
    for row in csv_cells(cast(bytes, block.payload), block.delimiter):
        if row:
            same = len(row) == len(block.header)
            yield number, Record(dict(zip(block.header, row, strict=True))) if same else _Cells(len(row), len(block.header))
        number += 1


class _Cells(bytes):
    """A row with the wrong number of cells, made a record that cannot be decoded."""

    def __new__(cls, found: int, wanted: int) -> "_Cells":
        return super().__new__(cls, f"a row of {found} cells under a header of {wanted}".encode())


def _reason(fault: Exception, found: "bytes | Record") -> str:
    if isinstance(found, _Cells):
        return found.decode()
    text = str(fault) or type(fault).__name__
    if isinstance(fault, msgspec.DecodeError):
        return f"not a JSON object: {text.removeprefix('JSON is malformed: ')}"
    return text[:200]
