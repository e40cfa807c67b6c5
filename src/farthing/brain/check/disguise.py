"""Disguise: read a text as a person sees it, and know where each character came from.

Undone are: zero-width, soft-hyphen, bidi, tag and variation characters; full-width, circled and mathematical letters and the like (NFKC); accents
and strokes laid over letters; Cyrillic, Greek, Armenian, Cherokee and small-capital letters that look Latin; odd spaces, dashes and quotes.
ASCII text is its own view and costs nothing, Western European text about 10 us per KB, any other 200 us per KB; the mapping back to the
original is only made when something matched.
"""

from collections.abc import Callable
from unicodedata import combining, normalize

_INVISIBLE_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE01EF),  # tags and more variation selectors
)
_INVISIBLE: dict[int, None] = dict.fromkeys(code for first, last in _INVISIBLE_RANGES for code in range(first, last + 1))

_LOOKS_LIKE = (
    ("а", "a"), ("е", "e"), ("о", "o"), ("р", "p"), ("с", "c"), ("у", "y"), ("х", "x"), ("і", "i"), ("ј", "j"), ("ѕ", "s"), ("ԁ", "d"), ("ԛ", "q"),
    ("ԝ", "w"), ("һ", "h"), ("ӏ", "l"), ("ѵ", "v"), ("к", "k"), ("м", "m"), ("т", "t"), ("н", "h"), ("в", "b"), ("г", "r"), ("п", "n"), ("ь", "b"),
    ("А", "A"), ("В", "B"), ("Е", "E"), ("К", "K"), ("М", "M"), ("Н", "H"), ("О", "O"), ("Р", "P"), ("С", "C"), ("Т", "T"), ("Х", "X"), ("У", "Y"),
    ("І", "I"), ("Ј", "J"), ("Ѕ", "S"), ("Ѵ", "V"), ("Ԁ", "D"), ("Ԛ", "Q"), ("Ԝ", "W"), ("Ӏ", "I"), ("Ь", "b"), ("З", "3"), ("з", "3"),
    ("α", "a"), ("ε", "e"), ("ι", "i"), ("κ", "k"), ("ν", "v"), ("ο", "o"), ("ρ", "p"), ("τ", "t"), ("υ", "u"), ("χ", "x"), ("γ", "y"), ("η", "n"),
    ("ω", "w"), ("σ", "o"), ("β", "b"), ("Α", "A"), ("Β", "B"), ("Ε", "E"), ("Ζ", "Z"), ("Η", "H"), ("Ι", "I"), ("Κ", "K"), ("Μ", "M"), ("Ν", "N"),
    ("Ο", "O"), ("Ρ", "P"), ("Τ", "T"), ("Υ", "Y"), ("Χ", "X"), ("ϲ", "c"), ("ϳ", "j"), ("Ϲ", "C"), ("ϱ", "p"), ("ϒ", "Y"),
    ("օ", "o"), ("ո", "n"), ("ս", "u"), ("հ", "h"), ("ց", "g"), ("զ", "q"), ("ա", "w"), ("ե", "t"), ("Տ", "S"), ("Օ", "O"), ("Ս", "U"), ("Լ", "L"),
    ("Ꭺ", "A"), ("Ᏼ", "B"), ("Ꮯ", "C"), ("Ꭰ", "D"), ("Ꭼ", "E"), ("Ꮐ", "G"), ("Ꮋ", "H"), ("Ꭻ", "J"), ("Ꮶ", "K"), ("Ꮮ", "L"), ("Ꮇ", "M"), ("Ꮲ", "P"),
    ("Ꭱ", "R"), ("Ꮪ", "S"), ("Ꭲ", "T"), ("Ꮩ", "V"), ("Ꮃ", "W"), ("Ꮓ", "Z"),
    ("ᴀ", "a"), ("ʙ", "b"), ("ᴄ", "c"), ("ᴅ", "d"), ("ᴇ", "e"), ("ꜰ", "f"), ("ɢ", "g"), ("ʜ", "h"), ("ɪ", "i"), ("ᴊ", "j"), ("ᴋ", "k"), ("ʟ", "l"),
    ("ᴍ", "m"), ("ɴ", "n"), ("ᴏ", "o"), ("ᴘ", "p"), ("ʀ", "r"), ("ꜱ", "s"), ("ᴛ", "t"), ("ᴜ", "u"), ("ᴠ", "v"), ("ᴡ", "w"), ("ʏ", "y"), ("ᴢ", "z"),
    ("ı", "i"), ("ȷ", "j"), ("ɑ", "a"), ("ɡ", "g"), ("ɩ", "i"), ("ł", "l"), ("Ł", "L"), ("ø", "o"), ("Ø", "O"), ("đ", "d"), ("Đ", "D"), ("ħ", "h"),
    ("ŧ", "t"), ("ƀ", "b"), ("ɨ", "i"), ("ꓐ", "B"), ("ꓑ", "P"), ("ꓓ", "D"), ("ꓔ", "T"), ("ꓖ", "G"), ("ꓗ", "K"), ("ꓙ", "J"), ("ꓚ", "C"),
    ("ꓜ", "Z"), ("ꓝ", "F"), ("ꓟ", "M"), ("ꓠ", "N"), ("ꓡ", "L"), ("ꓢ", "S"), ("ꓣ", "R"), ("ꓦ", "V"), ("ꓧ", "H"), ("ꓪ", "W"), ("ꓫ", "X"),
    ("ꓬ", "Y"), ("ꓮ", "A"), ("ꓰ", "E"), ("ꓲ", "I"), ("ꓳ", "O"), ("ꓴ", "U"),
    ("‐", "-"), ("‑", "-"), ("‒", "-"), ("–", "-"), ("—", "-"), ("−", "-"), ("﹣", "-"), ("‘", "'"), ("’", "'"),
    ("“", '"'), ("”", '"'), ("․", "."), ("。", "."),
    ("∕", "/"), ("⁄", "/"), ("＠", "@"),
)  # fmt: skip
_LATIN: dict[int, str] = {ord(strange): plain for strange, plain in _LOOKS_LIKE}
_DROP_MARKS: dict[int, None] = dict.fromkeys(
    code
    for first, last in ((0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
    for code in range(first, last + 1)
)


_WESTERN_SIGNS = (("ø", "o"), ("Ø", "O"), ("‘", "'"), ("’", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-"))


def plain(text: str) -> str:
    """The text without invisible characters and with compatible forms made one; its script and accents stay."""
    if text.isascii():
        return text
    return normalize("NFKC", text.replace("\xad", "") if _is_western(text) else text.translate(_INVISIBLE))


def latin(text: str) -> str:
    """`plain`, and everything that looks like a Latin letter made one, without accents."""
    if text.isascii():
        return text
    if not _is_western(text):
        return normalize("NFD", plain(text)).translate(_DROP_MARKS).translate(_LATIN)
    for sign, simple in _WESTERN_SIGNS:
        text = text.replace(sign, simple)
    return normalize("NFD", plain(text)).encode("ascii", "ignore").decode("ascii")


def _is_western(text: str) -> bool:
    """Western European text needs no table: a hundred times faster, and most of what is not ASCII."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def views(text: str) -> tuple[str, ...]:
    """What patterns should be tried on: the text itself when it is ASCII, else its plain and its Latin reading."""
    if text.isascii():
        return (text,)
    text = without_surrogates(text)
    first, second = plain(text), latin(text)
    return (first,) if first == second else (first, second)


def without_surrogates(text: str) -> str:
    """JSON may carry half a surrogate pair, which no pattern engine takes."""
    return text.encode("utf-8", "replace").decode()


class Mapped:
    """One view of a text, letter by letter, each knowing its place in the original."""

    __slots__ = ("_starts", "text")

    def __init__(self, original: str, view: Callable[[str], str]) -> None:
        pieces: list[str] = []
        self._starts: list[int] = []
        for start, end in _letters(original):
            piece = view(original[start:end])
            pieces.append(piece)
            self._starts.extend([start] * len(piece))
        self._starts.append(len(original))
        self.text = "".join(pieces)

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that this stretch of the view came from."""
        first, last = self._starts[start], self._starts[end - 1]
        while self._starts[end] == last:
            end += 1
        return first, self._starts[end]


def _letters(text: str) -> list[tuple[int, int]]:
    """Each letter with the marks and invisible characters that follow it."""
    starts = [at for at, char in enumerate(text) if char < "\x80" or at == 0 or not (combining(char) or ord(char) in _INVISIBLE)]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))
