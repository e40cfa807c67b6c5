"""Logs that teams have already, read as a stream of `LoggedCall`. What a file is, its content says, never its name.

Guarantees: constant memory; broken records, unreadable and unknown files are counted, sampled and skipped, never fatal; order is that of
the paths, within a directory by name, within a file as written. What a log does not say is `None`.
Costs: bench/audit.py. Reads: docs/audit.md lists formats and fields.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from farthing.core.errors import ConfigError
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.block import FORMATS, Batch, Block, read_block
from farthing.lab.logs.files import STDIN, Source, Unreadable, found

__all__ = ["FORMATS", "Batch", "Block", "Counts", "LoggedCall", "Logs", "open_logs", "read_block"]

_SAMPLES = 20
_NAMED = 50  # files of a kind of trouble that are named; the rest is counted


class Counts(msgspec.Struct):
    """What has been met so far. Lists name the first few of what they count."""

    files: int = 0
    bytes_total: int = 0
    bytes_read: int = 0
    records: int = 0
    calls: int = 0
    outside: int = 0  # calls before `since`, or without a time when there is one
    skipped: int = 0  # records that are sound and no model call
    broken: int = 0
    broken_samples: list[tuple[str, str]] = []  # place and reason
    unreadable: list[tuple[str, str]] = []  # file and reason; what could be read of it was
    unreadable_files: int = 0
    empty: list[str] = []
    empty_files: int = 0
    formats: dict[str, int] = {}  # records by format
    without_usage: int = 0  # calls that do not say how many tokens they took
    currencies: dict[str, int] = {}  # calls whose cost is in another currency than USD, which is not used


class Logs:
    """The logs under some paths. Iterate once; `counts` can be read meanwhile and afterwards."""

    def __init__(self, paths: Sequence[str | Path], since: float | None = None) -> None:
        self.counts = Counts()
        self.since = since
        self._sources: list[Source] = []
        for path in found([str(path) for path in paths]):
            self.counts.files += 1
            try:
                self._sources.append(Source(path))
            except OSError as fault:
                self._unreadable(path, fault.strerror or str(fault))
        self.counts.bytes_total = sum(source.size for source in self._sources)

    def __iter__(self) -> Iterator[LoggedCall]:
        for block in self.blocks():
            yield from self.count(read_block(block, self.since))

    def blocks(self) -> Iterator[Block]:
        """The work, to be done here or elsewhere; give each batch to `count`."""
        done = 0
        for source in self._sources:
            try:
                for block in source.blocks():
                    self.counts.bytes_read = done + source.position
                    yield block
            except Unreadable as fault:
                self._unreadable(source.path, str(fault))
            done += source.size
            self.counts.bytes_read = done
            if source.empty:
                self.counts.empty_files += 1
                self.counts.empty += [source.path][: _NAMED - len(self.counts.empty)]

    def count(self, batch: Batch) -> list[LoggedCall]:
        """Add a batch to the counts; its calls."""
        counts = self.counts
        counts.records += batch.records
        counts.skipped += batch.skipped
        counts.broken += batch.broken
        counts.broken_samples += batch.samples[: _SAMPLES - len(counts.broken_samples)]
        counts.calls += batch.kept
        counts.outside += batch.outside
        counts.without_usage += batch.without_usage
        counts.formats = _added(counts.formats, batch.formats)
        counts.currencies = _added(counts.currencies, batch.currencies)
        return batch.calls

    def require_calls(self) -> None:
        """Raises `ConfigError` when nothing that was read holds a call."""
        counts = self.counts
        if counts.calls:
            return
        found = [f"{file}: {reason}" for file, reason in counts.unreadable[:3]]
        found += [f"{place}: {reason}" for place, reason in counts.broken_samples[:3]]
        found += [f"{file}: empty" for file in counts.empty[:3]]
        if counts.skipped:
            found.append(f"{counts.skipped:,} records are sound and no model calls")
        if counts.outside:
            found.append(f"{counts.outside:,} calls are before --since")
        if not counts.files:
            found.append("there is no file in it")
        raise ConfigError("No model call found in the logs.\n" + "\n".join(f"  {line}" for line in found) + f"\n{looked_for()}")

    def _unreadable(self, path: str, reason: str) -> None:
        self.counts.unreadable_files += 1
        self.counts.unreadable += [(path, reason)][: _NAMED - len(self.counts.unreadable)]


def _added(counts: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return dict(Counter(counts) + Counter(more)) if more else counts


def open_logs(paths: Sequence[str | Path], since: float | None = None) -> Logs:
    """The logs under these files and directories; `-` is standard input. Raises `ConfigError` when none of the paths is there."""
    there = [path for path in paths if str(path) == STDIN or Path(path).exists()]
    if not there:
        raise ConfigError(
            f"There is no {' and no '.join(map(str, paths)) or 'log named'}. Name files or directories of logs, or - for standard input."
        )
    return Logs(paths, since)


def looked_for() -> str:
    """What logs can be."""
    return "Looked for, in JSON, JSONL, CSV, SQLite or Parquet:\n" + "\n".join(f"  {each.name}: {each.looks_for}" for each in FORMATS)
