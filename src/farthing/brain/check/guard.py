"""Guardrails: rows of patterns over what comes in and what goes out.

Every row reads the text as a person sees it (see `disguise`). The verdict is on a whole text: a stream under an output row is held until its
end, so that streaming and whole answers get the same one.
"""

from typing import Any, Literal

import msgspec

from farthing.brain.check.base import GuardVerdict
from farthing.brain.check.disguise import without_surrogates
from farthing.brain.check.redact import redact_counted
from farthing.brain.check.spans import apart, find_spans, matches, replace
from farthing.brain.reading.patterns import Pattern, compile_pattern
from farthing.config import Guard
from farthing.wire.patch import patch

Where = Literal["input", "output"]

_TEXT_FIELDS = ("messages", "input", "system", "instructions")


class _Row(msgspec.Struct, frozen=True):
    name: str
    pattern: Pattern
    blocks: bool


class Guardrails:
    """Compiled rows. Raises `ConfigError` naming the row whose pattern cannot be used."""

    def __init__(self, config: Guard) -> None:
        self._config = config
        rows = [(row, compile_pattern(row.pattern, f"guard row '{row.name}'")) for row in config.rows]
        self._rows: dict[str, tuple[_Row, ...]] = {
            where: tuple(_Row(row.name, pattern, row.action == "block") for row, pattern in rows if row.where in (where, "both"))
            for where in ("input", "output")
        }

    def active(self, where: Where) -> bool:
        """Whether `inspect` can say anything there; when it cannot, a stream need not be held."""
        return bool(self._rows[where]) or (where == "input" and self._config.redact_upstream)

    def inspect(self, text: str, where: Where) -> GuardVerdict:
        """Rows in order: the first that blocks ends it; the others replace what they match by their name in brackets.

        With `redact_upstream`, personal data and secrets leave the input as well.
        """
        redactions = 0
        for row in self._rows[where]:
            if not matches(row.pattern, text):
                continue
            if row.blocks:
                return GuardVerdict(row.name, text, redactions)
            spans = apart((start, end, row.name) for start, end, _ in find_spans(row.pattern, text))
            text = replace(without_surrogates(text), spans)
            redactions += len(spans)
        if where == "input" and self._config.redact_upstream:
            text, found = redact_counted(text)
            redactions += found
        return GuardVerdict(None, text, redactions)

    def clean_body(self, body: bytes) -> bytes:
        """A request body without what the rows take out of its texts; the very same bytes when that is nothing. Raises on a body it cannot read."""
        fields: dict[str, Any] = msgspec.json.decode(body)
        changes: dict[str, bytes | None] = {}
        for name in _TEXT_FIELDS:
            if name in fields and (clean := self._walk(fields[name])) != fields[name]:
                changes[name] = msgspec.json.encode(clean)
        return patch(body, changes) if changes else body

    def _walk(self, value: Any) -> Any:
        """Every text in a tree, inspected; pictures and other encoded payloads are left alone."""
        if isinstance(value, str):
            return value if value.startswith("data:") else self.inspect(value, "input").text
        if isinstance(value, list):
            return [self._walk(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, dict):
            return {name: item if name == "data" else self._walk(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        return value

    def cut(self, text: str) -> tuple[str, bool]:
        """The answer within `max_answer_chars`, and whether something was cut."""
        most = self._config.max_answer_chars
        return (text, False) if most is None or len(text) <= most else (text[:most], True)
