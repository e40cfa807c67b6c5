"""Tokens counted offline, in a worker's own 3 MB, without a download.

Guarantees: exact for models of OpenAI's o200k and cl100k vocabularies, up to `EXACT_BYTES` of text; longer texts are counted on
16 even slices and scaled. Other makers' models are counted with the nearer of the two: 3 to 7 % off in the median.
Costs: `estimate` 0.1 us; `count` 55 us a KB of ASCII, 200 us of other text, 5 us a byte at worst; loaded at the first count.
Figures (bench/tokens.py) and what else was measured: docs/decisions/0004-token-counting.md.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path

from farthing.models.vocabulary import Vocabulary

EXACT_BYTES = 16_384  # bounds what a hostile prompt can cost: 100 ms
SLICES = 16
KNOWN_PIECES = 8192  # pieces of text whose count is remembered: 1.5 MB
BYTES_PER_TOKEN = 4.0

_DATA = Path(__file__).parent.parent / "data"
_CL100K = ("gpt-4-", "gpt-4", "gpt-3.5", "gpt-35", "text-embedding-3", "text-embedding-ada", "davinci-002", "babbage-002")
_O200K = ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt-4o", "o1", "o3", "o4")
_CL100K_KIN = ("llama-3", "llama3", "qwen")  # vocabularies that were grown from cl100k
_CLAUDE_RATIO = 1.15  # Claude's tokens for one of o200k

# One stand-in for all characters of a class beyond ASCII, so that the patterns' sets stay small and fast.
_UPPER, _LOWER, _OTHER_LETTER, _MARK, _NUMBER, _SPACE, _SIGN = "À", "à", "ª", "\u0300", "²", "\u00a0", "€"
_LONG_S = "ſ"  # the one letter beyond ASCII that a contraction may end in
_STAND_INS = {
    "Lu": _UPPER,
    "Lt": _UPPER,
    "Ll": _LOWER,
    "Lm": _OTHER_LETTER,
    "Lo": _OTHER_LETTER,
    **dict.fromkeys(("Mn", "Mc", "Me"), _MARK),
    **dict.fromkeys(("Nd", "Nl", "No"), _NUMBER),
    **dict.fromkeys(("Zs", "Zl", "Zp"), _SPACE),
}


def _pattern(vocabulary: str) -> re.Pattern[str]:
    """The vocabulary's own splitting pattern, over ASCII and the stand-ins."""
    upper, lower = f"A-Z{_UPPER}{_OTHER_LETTER}{_MARK}", f"a-z{_LOWER}{_LONG_S}{_OTHER_LETTER}{_MARK}"
    letter, number, space = f"A-Za-z{_UPPER}{_LOWER}{_LONG_S}{_OTHER_LETTER}", f"0-9{_NUMBER}", rf"\t-\r {_SPACE}"
    short = rf"'(?:[sSdDmMtT{_LONG_S}]|[lL][lL]|[vV][eE]|[rR][eE])"
    slash = "" if vocabulary == "cl100k_base" else "/"
    tail = rf"[{number}]{{1,3}}| ?[^{space}{letter}{number}]+[\r\n{slash}]*|[{space}]*[\r\n]+|[{space}]+(?![^{space}])|[{space}]+"
    lead = rf"[^\r\n{letter}{number}]?"
    if vocabulary == "cl100k_base":
        return re.compile(rf"{short}|{lead}[{letter}]+|" + tail)
    return re.compile(rf"{lead}[{upper}]*[{lower}]+(?:{short})?|{lead}[{upper}]+[{lower}]*(?:{short})?|" + tail)


class _Classes(dict[int, str]):
    """`str.translate` table that learns the class of each character beyond ASCII as it comes."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if code < 128 or char == _LONG_S:
            return char
        if len(self) >= KNOWN_PIECES:
            self.clear()
        name = _SPACE if code == 0x85 else _STAND_INS.get(unicodedata.category(char), _SIGN)
        self[code] = name
        return name


class _Pieces(dict[str, int]):
    """Tokens by piece of text; counts what it has not seen, forgets all when full."""

    def __init__(self, count: Callable[[bytes], int]) -> None:
        super().__init__()
        self._count = count

    def __missing__(self, piece: str) -> int:
        tokens = self._count(piece.encode("utf-8", "surrogatepass"))
        if len(piece) <= 64:
            if len(self) >= KNOWN_PIECES:
                self.clear()
            self[piece] = tokens
        return tokens


class Splitter:
    """One vocabulary: its pieces and their tokens."""

    def __init__(self, vocabulary: str) -> None:
        self._find = _pattern(vocabulary).findall
        self._tokens = _Pieces(Vocabulary(_DATA / f"{vocabulary}.ranks").count)
        self._classes = _Classes()

    def pieces(self, text: str) -> list[str]:
        """The text cut where no token can cross."""
        if text.isascii():
            return self._find(text)
        ends = accumulate(map(len, self._find(text.translate(self._classes))), initial=0)
        return [text[start:end] for start, end in pairwise(ends)]

    def count(self, text: str) -> int:
        return sum(map(self._tokens.__getitem__, self.pieces(text)))

    def counted(self, text: str) -> Iterator[tuple[str, int]]:
        """Each piece with its tokens."""
        return ((piece, self._tokens[piece]) for piece in self.pieces(text))


class TokenCounter:
    """Implements the brain's `Tokens`. A vocabulary is loaded when a model first needs it."""

    def __init__(self, *, exact_bytes: int = EXACT_BYTES) -> None:
        self._exact_bytes = exact_bytes
        self._splitters: dict[str, Splitter] = {}

    def estimate(self, text_bytes: int) -> int:
        """Tokens from UTF-8 bytes alone."""
        return int(text_bytes / BYTES_PER_TOKEN + 0.999)

    def count(self, text: str, model: str) -> int:
        """Tokens of a text, without what a chat format adds around it."""
        vocabulary, factor = _vocabulary_of(model)
        splitter = self._splitter(vocabulary)
        tokens = splitter.count(text) if _utf8_bytes(text) <= self._exact_bytes else self._sampled(splitter, text)
        return tokens if factor == 1.0 else round(tokens * factor)

    def ratio(self, model: str, other: str) -> float | None:
        """Tokens that `model` has for each one of `other`, where both are counted with one vocabulary; else `None`: it depends on the text."""
        (vocabulary, factor), (other_vocabulary, other_factor) = _vocabulary_of(model), _vocabulary_of(other)
        return factor / other_factor if vocabulary == other_vocabulary else None

    def pieces(self, text: str, model: str) -> Iterator[tuple[str, int]]:
        """The text in words and signs, each with its tokens; exact at any length."""
        return self._splitter(_vocabulary_of(model)[0]).counted(text)

    def _splitter(self, vocabulary: str) -> Splitter:
        splitter = self._splitters.get(vocabulary)
        if splitter is None:
            splitter = self._splitters[vocabulary] = Splitter(vocabulary)
        return splitter

    def _sampled(self, splitter: Splitter, text: str) -> int:
        width = max(self._exact_bytes // SLICES * len(text) // _utf8_bytes(text), 1)
        step = (len(text) - width) / (SLICES - 1)
        tokens = sum(splitter.count(text[start : start + width]) for start in (int(number * step) for number in range(SLICES)))
        return round(tokens * len(text) / (width * SLICES))


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _vocabulary_of(model: str) -> tuple[str, float]:
    """The vocabulary to count a model's tokens with, and the factor on it."""
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    if name.startswith(_O200K):
        return "o200k_base", 1.0
    if name.startswith(_CL100K) or any(kin in name for kin in _CL100K_KIN):
        return "cl100k_base", 1.0
    return "o200k_base", _CLAUDE_RATIO if "claude" in name else 1.0
