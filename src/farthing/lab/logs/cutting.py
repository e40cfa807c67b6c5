"""Cutting a stream of bytes into blocks of whole records, in constant memory, and telling by content what kind of stream it is."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from farthing.lab.logs.block import MOST_BYTES, Block, csv_cells, fitting

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 16

Kind = Literal["sqlite", "parquet", "lines", "objects", "csv"]
_BOM = b"\xef\xbb\xbf"
_LINES_TRIED = 20
_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_DELIMITERS = (",", ";", "\t")


def kind_of(head: bytes) -> Kind | None:
    """What the beginning of a file says it is; `None` when nobody here reads such a thing."""
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.removeprefix(_BOM).lstrip()
    if text.startswith(b"["):
        return "objects"
    lines = text.split(b"\n")[:_LINES_TRIED]
    if any(_is_object(line) for line in lines) or (len(lines) == 1 and len(head) == HEAD_BYTES and text.startswith(b"{")):
        return "lines"
    if text.startswith(b"{"):
        return "objects" if len(lines) > 1 or text.rstrip().endswith(b"}") else "lines"
    return "csv" if header_of(text) else None


def header_of(head: bytes) -> tuple[tuple[str, ...], str] | None:
    """The names in the first row of a CSV file and what parts them, if a known format has such names."""
    line = head.removeprefix(_BOM).split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if "\r" in line or "\0" in line:
        return None
    for delimiter in _DELIMITERS:
        names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), list[str]()))
        if len(names) > 1 and fitting(frozenset(names)):
            return names, delimiter
    return None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (ValueError, RecursionError):
        return False


def lines(file: str, chunks: Iterable[bytes]) -> Iterator[Block]:
    """Blocks of whole lines. A line above `MOST_BYTES` is cut there, and so broken."""
    first, rest = 1, b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if not end and len(rest) < MOST_BYTES:
            rest += chunk
            continue
        payload = rest + chunk[:end]
        rest = chunk[end:]
        yield Block(file, "lines", first, payload)
        first += payload.count(b"\n")
    if rest:
        yield Block(file, "lines", first, rest)


def csv_rows(file: str, chunks: Iterable[bytes], names: tuple[str, ...], delimiter: str) -> Iterator[Block]:
    """Blocks of whole rows: a newline ends a row where the quotes before it are even in number. Row 1 is the header."""
    first, rest, is_head = 2, b"", True
    for chunk in chunks:
        rest += chunk
        if is_head and b"\n" in rest:
            rest, is_head = rest.split(b"\n", 1)[1], False
        end = _row_end(rest)
        if is_head or not end:
            continue
        yield Block(file, "csv", first, rest[:end], names, delimiter)
        first += _rows_in(rest[:end], delimiter)
        rest = rest[end:]
    if rest.strip() and not is_head:
        yield Block(file, "csv", first, rest, names, delimiter)


def _row_end(found: bytes) -> int:
    """Behind the last newline that ends a row; 0 when none does."""
    end, quotes = found.rfind(b"\n"), found.count(b'"')
    stop = len(found)
    while end >= 0:
        quotes -= found.count(b'"', end, stop)
        if quotes % 2 == 0:
            return end + 1
        stop = end
        end = found.rfind(b"\n", 0, end)
    return 0


def _rows_in(found: bytes, delimiter: str) -> int:
    if b'"' not in found:
        return found.count(b"\n")
    return sum(1 for _ in csv_cells(found, delimiter))


def objects(file: str, chunks: Iterable[bytes]) -> Iterator[Block]:
    """Blocks of JSON objects that stand in an array, or one after the other over several lines."""
    scanner = _Scanner()
    first, held, size = 1, list[bytes](), 0
    for chunk in chunks:
        for found in scanner.feed(chunk):
            held.append(found)
            size += len(found)
            if size >= BLOCK_BYTES:
                yield Block(file, "objects", first, held)
                first, held, size = first + len(held), [], 0
    if left := scanner.left():
        held.append(left)
    if held:
        yield Block(file, "objects", first, held)


class _Scanner:
    """Finds where objects begin and end; brackets in strings do not count."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # scanned to here
        self._start = -1  # of the object that is open
        self._depth = 0  # of braces and brackets within it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._buffer += chunk
        while match := _STRUCTURE.search(self._buffer, self._at):
            sign = self._buffer[match.start()]
            if sign == 0x22:  # a quote
                if self._start < 0:  # text between objects: not ours
                    self._at = match.end()
                    continue
                close = _STRING.match(self._buffer, match.end())
                if close is None:
                    self._at = match.start()
                    break
                self._at = close.end()
                continue
            self._at = match.end()
            if (found := self._bracket(sign, match.start())) is not None:
                yield found
        else:
            self._at = len(self._buffer)
        self._forget()

    def left(self) -> bytes:
        """An object that never ended."""
        return bytes(self._buffer[self._start :]) if self._start >= 0 else b""

    def _bracket(self, sign: int, at: int) -> bytes | None:
        if self._start < 0:
            if sign == 0x7B:  # {
                self._start, self._depth = at, 1
            return None
        self._depth += 1 if sign in b"{[" else -1
        if self._depth:
            return None
        found, self._start = bytes(self._buffer[self._start : at + 1]), -1
        return found

    def _forget(self) -> None:
        if self._start >= 0 and len(self._buffer) - self._start > MOST_BYTES:
            self._start = -1  # no record is that long
        gone = self._at if self._start < 0 else self._start
        del self._buffer[:gone]
        self._at -= gone
        self._start = -1 if self._start < 0 else 0
