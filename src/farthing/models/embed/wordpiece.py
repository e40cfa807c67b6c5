"""BERT's uncased tokenizer: clean, lower, split, and the longest known pieces of each word.

Agrees with the reference implementation (`tokenizers`) on every text of bench/embedder.py; it is here because that package brings a hub
client and an HTTP stack along. About 15 us for a question of 12 tokens.
"""

import re
import unicodedata
from pathlib import Path

from farthing.core.errors import ConfigError

_LONGEST_WORD = 100
_MOST_REMEMBERED = 65_536
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ASCII_WORDS = re.compile(r"[!-/:-@\[-`{-~]|[^\s!-/:-@\[-`{-~]+")
_ASCII_NOISE = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}
# CJK ideographs, which are words of their own.
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Token ids of a text, between the marks for its beginning and end. Words that were split before are remembered."""

    def __init__(self, vocabulary: dict[str, int]) -> None:
        try:
            self._start, self._end, self._unknown = (vocabulary[mark] for mark in ("[CLS]", "[SEP]", "[UNK]"))
        except KeyError as error:
            raise ConfigError(f"The vocabulary has no {error}: only WordPiece vocabularies (vocab.txt of a BERT-style model) are read.") from error
        self._vocabulary = vocabulary
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def load(cls, path: Path) -> "WordPiece":
        """From a `vocab.txt`, one piece a line. Raises `ConfigError` when it is absent or no such vocabulary."""
        try:
            pieces = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read the vocabulary {path}: {error}. It must be the vocab.txt of the embedding model.") from error
        return cls({piece: number for number, piece in enumerate(pieces) if piece})

    def ids(self, text: str, most: int) -> list[int]:
        """At most `most` ids; a longer text loses its end."""
        found = [self._start]
        for word in words(text):
            found += self._known.get(word) or self._split(word)
            if len(found) >= most:
                del found[most - 1 :]
                break
        found.append(self._end)
        return found

    def _split(self, word: str) -> tuple[int, ...]:
        pieces = tuple(self._pieces(word))
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[word] = pieces
        return pieces

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self._vocabulary), None)
            if end is None:
                return [self._unknown]
            pieces.append(self._vocabulary[prefix + word[start:end]])
            start = end
        return pieces


def words(text: str) -> list[str]:
    """Lower-case words without accents; every mark of punctuation and every ideograph is a word of its own."""
    if text.isascii():
        return _ASCII_WORDS.findall(text.translate(_ASCII_NOISE).lower())
    spaced = "".join(f" {char} " if _is_ideograph(char) else char for char in text if not _is_noise(char))
    bare = "".join(char for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn")
    return "".join(f" {char} " if _is_punctuation(char) else char for char in bare.lower()).split()


def _is_noise(char: str) -> bool:
    """Control characters, and what stands for something unreadable."""
    return char == "\ufffd" or (char not in "\t\n\r" and unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs"))


def _is_punctuation(char: str) -> bool:
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


def _is_ideograph(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _IDEOGRAPHS)
