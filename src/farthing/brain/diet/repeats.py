"""What a prompt says twice: paragraphs and passages that stood further up already.

A paragraph is repeated where the same words, apart from space, make a whole earlier paragraph of the prompt. The first one stays.
"""

import re
from hashlib import blake2b

_PARAGRAPHS = re.compile(r"(\n[ \t]*\n+)")
_SPACE = re.compile(r"\s+")
_LEAST_CHARS = 80  # shorter ones are headings, greetings, table lines: said twice on purpose


class Seen:
    """The paragraphs of a prompt so far."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def read(self, text: str) -> None:
        """Take note of a text that stays as it is."""
        for paragraph in _PARAGRAPHS.split(text)[::2]:
            self._is_new(paragraph)

    def without_repeats(self, text: str) -> str:
        """The text without the paragraphs that stood before, here or further up."""
        pieces = _PARAGRAPHS.split(text)
        kept: list[str] = []
        dropped = False
        for place in range(0, len(pieces), 2):
            if self._is_new(pieces[place]):
                if kept:
                    kept.append(pieces[place - 1])
                kept.append(pieces[place])
            else:
                dropped = True
        return "".join(kept) if dropped else text

    def _is_new(self, paragraph: str) -> bool:
        words = _SPACE.sub(" ", paragraph).strip()
        if len(words) < _LEAST_CHARS:
            return True
        digest = blake2b(words.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._known:
            return False
        self._known.add(digest)
        return True
