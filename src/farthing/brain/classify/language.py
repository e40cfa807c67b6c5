"""Language of a text by its script, else by its stop words. `None` when neither says."""

from farthing.brain.classify.features import Scores
from farthing.brain.classify.words import LANGUAGES

_SAMPLE_CHARS = 120
_ENOUGH_STOP_WORDS = 2
_LANGUAGES = frozenset(feature for feature, _, _ in LANGUAGES)

# First and last code point of a script, and the language that is by far the most written in it.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "ru"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0E00, 0x0E7F, "th"),
    (0x10A0, 0x10FF, "ka"),
    (0x3040, 0x30FF, "ja"),
    (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
)
_LETTERS_THAT_TELL: tuple[tuple[str, str, str], ...] = (
    ("ru", "їєґ", "uk"),
    ("ru", "ўі", "be"),
    ("ar", "پچژگ", "fa"),
    ("ar", "ٹڈےں", "ur"),
)


def language_of(text: str, scores: Scores) -> str | None:
    """ISO 639-1 code. `scores` are those of the same text."""
    if not text.isascii():
        sample = text[:_SAMPLE_CHARS]
        by_script = None if _is_western(sample) else _script(sample)
        if by_script is not None:
            return by_script
    best, second, name = 0, 0, ""
    for feature in _LANGUAGES.intersection(scores):
        count = scores[feature]
        if count > best:
            best, second, name = count, best, feature
        elif count > second:
            second = count
    return name[5:] if best > second and best >= _ENOUGH_STOP_WORDS else None


def _is_western(sample: str) -> bool:
    """Latin letters with accents, curly quotes and dashes: fits the code page, and costs 1 us to find out."""
    try:
        sample.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _script(sample: str) -> str | None:
    counts: dict[str, int] = {}
    letters = 0
    for char in sample:
        if not char.isalpha():
            continue
        letters += 1
        code = ord(char)
        if code >= 0x0370:
            language = next((name for first, last, name in _SCRIPTS if first <= code <= last), None)
            if language is not None:
                counts[language] = counts.get(language, 0) + 1
    # Japanese mixes kana into Chinese characters, and every text may quote Latin names.
    if not counts or sum(counts.values()) * 3 < letters:
        return None
    if counts.get("ja", 0) * 10 >= counts.get("zh", 0) > 0:
        return "ja"
    found = max(counts, key=lambda name: counts[name])
    return next((special for language, marks, special in _LETTERS_THAT_TELL if found == language and any(mark in sample for mark in marks)), found)
