"""Logs that are read twice: once to learn from, once to replay. Nothing of them is held in memory unless they are to be ordered."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from farthing.core.errors import ConfigError
from farthing.lab.logs import Counts, open_logs
from farthing.lab.logs.base import LoggedCall

_STDIN = "-"
_SHOWN = 2


class Source:
    """Some logs under their paths. `read` begins anew at every call, and raises `ConfigError` where no call is found."""

    def __init__(self, paths: Sequence[Path], *, in_time_order: bool = False) -> None:
        if any(str(path) == _STDIN for path in paths):
            raise ConfigError("A replay reads its logs twice, so they cannot come from standard input. Write them to a file first.")
        self._paths = paths
        self._in_time_order = in_time_order
        self._ordered: list[LoggedCall] | None = None
        self._counts: Counts | None = None

    def read(self) -> Iterable[LoggedCall]:
        """The calls, in the order of the logs or of time."""
        if not self._paths:
            return ()
        if not self._in_time_order:
            return self._once()
        if self._ordered is None:
            self._ordered = ordered_by_time(self._once())
        return self._ordered

    def notes(self) -> Iterator[str]:
        """What was met and could not be used, in words."""
        counts = self._counts
        if counts is None:
            return
        yield from _counted(counts.broken, "records are broken and were skipped", counts.broken_samples)
        yield from _counted(counts.unreadable_files, "files could not be read to their end", counts.unreadable)
        yield from _counted(counts.empty_files, "files are empty", [(name, "") for name in counts.empty])
        for currency, calls in sorted(counts.currencies.items()):
            yield f"{calls:,} calls are billed in {currency}: their logged cost is not used"

    def _once(self) -> Iterator[LoggedCall]:
        logs = open_logs(self._paths)
        yield from logs
        logs.require_calls()
        self._counts = logs.counts


def _counted(count: int, what: str, samples: Sequence[tuple[str, str]]) -> Iterator[str]:
    if count:
        shown = "; ".join(f"{place}: {reason}" if reason else place for place, reason in samples[:_SHOWN])
        yield f"{count:,} {what}: {shown}" + (" ..." if count > _SHOWN else "")


def ordered_by_time(calls: Iterable[LoggedCall]) -> list[LoggedCall]:
    """By time, those at one moment as they stood; a call without a time stays behind the one before it."""
    last_s = 0.0
    found: list[tuple[float, LoggedCall]] = []
    for call in calls:
        last_s = last_s if call.received_at is None else call.received_at
        found.append((last_s, call))
    return [call for _, call in sorted(found, key=lambda pair: pair[0])]
