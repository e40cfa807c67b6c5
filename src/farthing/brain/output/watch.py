"""One eye on a stream of answer text: does it repeat itself, does it run past the limit that its call was given?

Looks once for every 16 KB of stream, which is some hundred tokens; in between a piece costs an addition.
"""

import re
from collections.abc import Callable
from contextlib import suppress

import msgspec

from farthing.brain.output.repeats import MOST_BYTES, loop_unit
from farthing.core.request import Dialect
from farthing.wire.tap import TextReader

_LOOK_EVERY_BYTES = 16_384
_FENCE = b"```"
_OVER, _SLACK_TOKENS = 2, 128  # bytes only estimate tokens: what is past twice the limit is past it in any script
_WORD = re.compile(r"\w+")
_MOST_TURNS = 64
_ESCAPE_BYTES = 12  # a surrogate pair


class StreamWatch:
    """Of one answer. `limit` is the output limit that went upstream, `repeats` the setting under which loops are cut (`None`: they are not), and
    `asked` what the user wrote, read only when something repeats."""

    def __init__(self, dialect: Dialect, *, limit: int | None, asked: Callable[[], str], estimate: Callable[[int], int], repeats: str | None) -> None:
        self._reader = TextReader(dialect)
        self._limit = limit
        self._asked = asked
        self._estimate = estimate
        self._repeats = repeats
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._text_bytes = 0
        self._fences = 0
        self._tail = b""

    def feed(self, piece: bytes) -> str | None:
        """Why the answer should end here; `None` lets it go on."""
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting < _LOOK_EVERY_BYTES:
            return None
        text = self._reader.take(b"".join(self._pieces))
        self._pieces.clear()
        self._waiting = 0
        self._text_bytes += len(text)
        return self._past_limit() or (self._loop(text, self._repeats) if self._repeats else None)

    def _past_limit(self) -> str | None:
        if self._limit is None or self._estimate(self._text_bytes) <= self._limit * _OVER + _SLACK_TOKENS:
            return None
        return f"the model wrote on past its limit of {self._limit} tokens"

    def _loop(self, text: bytes, setting: str) -> str | None:
        self._fences += (self._tail[-len(_FENCE) + 1 :] + text).count(_FENCE)
        self._tail = (self._tail + text)[-MOST_BYTES:]
        found = loop_unit(self._tail, in_code=self._fences % 2 == 1)
        if found is None or self._was_asked(found[0]):
            return None
        unit, times = found
        return f"the answer repeats itself: the same {len(unit)} bytes {times} times (`{setting}`)"

    def _was_asked(self, unit: bytes) -> bool:
        """The user wrote what is repeated, wherever in it the unit happens to begin."""
        words = _words(_decoded(unit) * 3)
        count = round(len(words) / 3)
        if not count:
            return False
        asked = f" {' '.join(_words(self._asked()))} "
        # The first word of a unit that begins inside a word is half of one.
        return any(f" {' '.join(words[at : at + count])} " in asked for at in range(1, min(count, _MOST_TURNS) + 1))


def _decoded(unit: bytes) -> str:
    """The text of a unit that may begin inside an escape or a character: then begun a little later."""
    for skip in range(min(len(unit), _ESCAPE_BYTES)):
        with suppress(ValueError):
            return msgspec.json.decode(b'"' + unit[skip:] + unit[:skip] + b'"', type=str)
    return ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
