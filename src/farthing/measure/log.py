"""Structured logs on stderr, one event a line, without secrets.

Guarantees: whatever is logged, by us or a library, loses what looks like a key (`fk-...`, `sk-...`, `Bearer ...`, `api-key: ...`,
passwords in URLs) and every secret that `setup` was told, before it is written; a line feed in a message cannot forge a second line.
JSON: time, level, logger, message, then the fields given as `extra`, then the exception. Text: the same, for people.
Costs: 15 us a line. Off: `log.level = "error"`.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import msgspec

from farthing.config import Log

REDACTED = "[redacted]"
_SHORTEST_SECRET = 8

_KEY = r"\b(?:fk|sk|pk|rk|gsk|xai)[-_][A-Za-z0-9_\-]{6,}"
_HEADER = r"(?P<name>\b(?:proxy-)?authorization|\b(?:x-)?api[-_]key)(?P<is>[\"']?\s*[:=]\s*[\"']?)(?:Bearer\s+|Basic\s+)?[^\s\"',;]+"
_BEARER = r"(?P<scheme>\b(?:Bearer|Basic)\s+)[^\s\"',;]+"
_URL = r"(?P<user>://[^/\s:@]+:)[^/\s@]+(?=@)"
_SECRETS = re.compile("|".join((_HEADER, _BEARER, _KEY, _URL)), re.IGNORECASE)
_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without what looks like a secret, and without these ones. Linear in its length."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _SECRETS.sub(_kept, text)


def _kept(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return "".join(groups[name] or "" for name in ("name", "is", "scheme", "user")) + REDACTED


class _Formatter(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """All that is said of an event, clean."""
        when = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        said: dict[str, Any] = {"time": when.replace("+00:00", "Z"), "level": record.levelname.lower(), "logger": record.name}
        said["message"] = record.getMessage()
        said |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return {name: self._clean(value) for name, value in said.items()}

    def _clean(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(name): self._clean(item) for name, item in cast("Mapping[object, object]", value).items()}
        if isinstance(value, list | tuple):
            return [self._clean(item) for item in cast("Iterable[object]", value)]
        return redact(str(value), self._secrets)


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(self.fields(record)).decode()


class TextFormatter(_Formatter):
    """`time LEVEL logger: message name=value`, an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        said = self.fields(record)
        when, level, logger, message = (str(said.pop(name)) for name in ("time", "level", "logger", "message"))
        exception = said.pop("exception", None)
        given = "".join(f" {name}={_one_line(str(value))}" for name, value in said.items())
        line = f"{when} {level.upper():<7} {logger}: {_one_line(message)}{given}"
        return line if exception is None else f"{line}\n{exception}"


def _one_line(text: str) -> str:
    return text.replace("\r", r"\r").replace("\n", r"\n")


def setup(log: Log, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to stderr. Libraries are heard from `warning` on. Can be repeated."""
    out = sys.stderr if stream is None else stream
    as_text = log.format == "text" or (log.format == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter((TextFormatter if as_text else JsonFormatter)(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, _level(log)))
    logging.getLogger("farthing").setLevel(_level(log))


def _level(log: Log) -> int:
    return logging.getLevelNamesMapping()[log.level.upper()]
