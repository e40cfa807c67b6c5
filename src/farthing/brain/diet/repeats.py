"""What a prompt says twice: paragraphs and passages that stood further up already.

A paragraph is repeated where the same words, apart from space, make a whole earlier paragraph of the prompt. The first one stays.
"""

import re

_PARAGRAPHS = re.compile(r"(\n[ \t]*\n+)")
_LEAST_CHARS = 80  # shorter ones are headings, greetings, table lines: said twice on purpose


class Seen:
    """The paragraphs of a prompt so far. Texts are taken apart only when a later one may repeat them: most prompts have none that may."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._unread: list[str] = []

    def read(self, text: str) -> None:
        """Take note of a text that stays as it is."""
        self._unread.append(text)

    def without_repeats(self, text: str) -> str:
        """The text without the paragraphs that stood before, here or further up."""
        if len(text) < _LEAST_CHARS:
            return text
        if not self._known and not self._unread and "\n" not in text:
            self.read(text)
            return text
        self._catch_up()
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

    def _catch_up(self) -> None:
        for text in self._unread:
            for paragraph in _PARAGRAPHS.split(text)[::2]:
                self._is_new(paragraph)
        self._unread.clear()

    def _is_new(self, paragraph: str) -> bool:
        words = " ".join(paragraph.split())
        if len(words) < _LEAST_CHARS:
            return True
        if words in self._known:
            return False
        self._known.add(words)
        return True
