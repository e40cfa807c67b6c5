"""Files of logs: found under the given paths, unpacked as they are read, each as a stream of blocks.

Raises `Unreadable` with the reason; what was read before it stays read.
"""

import gzip
import sqlite3
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, cast

from farthing.lab.logs import cutting, ledger
from farthing.lab.logs.block import FORMATS, Block

STDIN = "-"
ROWS = 500  # of a table in one block
PARQUET_INSTALL = "Parquet logs need pyarrow: pip install 'farthing[parquet]'"

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SQLITE_SIDE_FILES = ("-wal", "-shm", "-journal")


class Unreadable(Exception):
    """A file, or the rest of it, that cannot be read. The message is the reason."""


class Source:
    """One file: its blocks, and how far into it they have come."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0 if path == STDIN else Path(path).stat().st_size
        self.empty = False
        self._file: IO[bytes] | None = None

    @property
    def position(self) -> int:
        """Bytes of the file, as it lies on the disk, that have been read."""
        return self._file.tell() if self._file is not None and self.path != STDIN else 0

    def blocks(self) -> Iterator[Block]:
        """Raises `Unreadable`."""
        try:
            if self.path == STDIN:
                yield from self._of(sys.stdin.buffer)
                return
            with open(self.path, "rb") as file:
                self._file = file
                yield from self._of(file)
        except (OSError, EOFError, zlib.error) as fault:
            raise Unreadable(_words(fault)) from fault
        finally:
            self._file = None

    def _of(self, file: IO[bytes]) -> Iterator[Block]:
        magic = file.read(4)
        stream, packed = self._unpacked(magic, file)
        head = b"" if packed else magic
        while len(head) < cutting.HEAD_BYTES and (more := stream.read(cutting.HEAD_BYTES - len(head))):
            head += more
        if not head.strip():
            self.empty = True
            return
        kind = cutting.kind_of(head)
        if kind in ("sqlite", "parquet"):
            if packed or self.path == STDIN:
                raise Unreadable(f"a {kind} file inside a stream; unpack it to a file of its own")
            yield from _sqlite(self.path) if kind == "sqlite" else _parquet(self.path)
            return
        chunks = _chunks(head, stream)
        if kind == "csv":
            names, delimiter = cast(tuple[tuple[str, ...], str], cutting.header_of(head))
            yield from cutting.csv_rows(self.path, chunks, names, delimiter)
        elif kind is None:
            raise Unreadable(unknown(head))
        else:
            yield from (cutting.lines if kind == "lines" else cutting.objects)(self.path, chunks)

    def _unpacked(self, magic: bytes, file: IO[bytes]) -> tuple[IO[bytes], bool]:
        if not magic.startswith((_GZIP, _ZSTD)):
            return file, False
        if self.path == STDIN:
            raise Unreadable("a packed stream on standard input; unpack it on the way: zstd -dc, gzip -dc")
        file.seek(0)
        if magic.startswith(_GZIP):
            return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb")), True
        return cast(IO[bytes], _Zstd(file)), True


class _Zstd:
    """A zstd file, unpacked frame after frame."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        self._fault = zstandard.ZstdError

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except self._fault as fault:
            raise EOFError(str(fault)) from fault


def found(paths: list[str]) -> Iterator[str]:
    """The files under these paths, directories recursively and sorted; hidden ones and SQLite's side files left out."""
    for path in paths:
        if path == STDIN or not Path(path).is_dir():
            yield path
            continue
        for inner in sorted(Path(path).rglob("*")):
            hidden = any(part.startswith(".") for part in inner.relative_to(path).parts)
            if inner.is_file() and not hidden and not inner.name.endswith(_SQLITE_SIDE_FILES):
                yield str(inner)


def unknown(head: bytes) -> str:
    """Why nobody can read this, and what was looked for."""
    begins = head[:60].decode("utf-8", "replace").replace("\n", " ")
    wanted = "; ".join(f"{each.name}: {each.looks_for}" for each in FORMATS)
    return f"unknown format, begins with {begins!r}. Looked for JSON, CSV with a known header, SQLite and Parquet holding {wanted}"


def _chunks(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    yield head.removeprefix(b"\xef\xbb\xbf")
    while chunk := stream.read(cutting.BLOCK_BYTES):
        yield chunk


def _sqlite(path: str) -> Iterator[Block]:
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as connection:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({ledger.TABLE})")]
            if "cost_picousd" not in columns:
                raise Unreadable(f"a SQLite file without Farthing's table '{ledger.TABLE}'")
            judged = any(connection.execute(f"PRAGMA table_info({ledger.VERDICTS})"))
            columns.append(ledger.SCORE)
            rows = connection.execute(f"SELECT *, {ledger.JUDGED if judged else 'NULL'} FROM {ledger.TABLE} ORDER BY received_at, rowid")
            first = 1
            while some := rows.fetchmany(ROWS):
                yield Block(path, "rows", first, [dict(zip(columns, row, strict=True)) for row in some])
                first += len(some)
    except sqlite3.DatabaseError as fault:
        raise Unreadable(f"SQLite cannot read it: {fault}") from fault


def _parquet(path: str) -> Iterator[Block]:
    try:
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise Unreadable(PARQUET_INSTALL) from None
    first = 1
    try:
        for some in cast(Any, parquet).ParquetFile(path).iter_batches(batch_size=ROWS):
            rows: list[dict[str, Any]] = some.to_pylist()
            yield Block(path, "rows", first, rows)
            first += len(rows)
    except (ValueError, NotImplementedError) as fault:  # pyarrow's errors of broken files are ValueErrors
        raise Unreadable(f"pyarrow cannot read it: {str(fault)[:200]}") from fault


def _words(fault: Exception) -> str:
    if isinstance(fault, EOFError | zlib.error):
        return f"the packed file is damaged or ends early: {fault}"
    return getattr(fault, "strerror", None) or str(fault)
