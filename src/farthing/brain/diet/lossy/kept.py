"""What no lossy rule takes apart: code, quoted words, the targets of links.

Blocks of code stay altogether; the rest stays whole, or goes whole with the sentence, line or turn that it stands in.
"""

import re
from bisect import bisect_right

from farthing.brain.diet.protect import WORDS

TAG = re.compile(r"</?[A-Za-z][\w.-]*(?:\s[^<>\n]*)?/?>")
_FENCES = ("```", "~~~")


class Kept:
    """Such pieces of one text; they stand in order and do not overlap."""

    def __init__(self, text: str) -> None:
        found = [(*match.span(), match[0].lstrip()[:3] in _FENCES) for match in WORDS.matches(text)]
        self._whole = _Spans([(start, end) for start, end, _ in found])
        self._code = _Spans([(start, end) for start, end, fenced in found if fenced])

    @property
    def has_code(self) -> bool:
        return bool(self._code.starts)

    def code(self, start: int, end: int) -> bool:
        """Whether a block of code lies in part within."""
        return self._code.touch(start, end)

    def parts(self, start: int, end: int) -> bool:
        """Whether a cut there, from `start` to `end`, would take a piece apart or fall into one."""
        return self._whole.touch(start, end)

    def bridges(self, end: int, start: int) -> bool:
        """Whether one piece begins before `end` and goes on past `start`."""
        return self._whole.over(end, start)


class _Spans:
    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def touch(self, start: int, end: int) -> bool:
        place = bisect_right(self._ends, start)
        return place < len(self.starts) and self.starts[place] < end

    def over(self, end: int, start: int) -> bool:
        place = bisect_right(self._ends, start)
        return place < len(self.starts) and self.starts[place] < end
