"""Reading a text once: its sentences, its words, its boilerplate, the examples and the passages in it.

Turns repeat from call to call, so readings are remembered (bounded). Sizes are UTF-8 bytes.
"""

import re
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import msgspec

LEAST_SENTENCE = 40  # bytes of a sentence that counts as repeated
_REMEMBERED = 2048
_SHOWN = 100
_STRETCHES, _TOGETHER = 48, 8

# Letters and digits part from everything else; bytes beyond ASCII are letters of other scripts.
_BLANKS = bytes(32 if chr(code) in '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\n\t\r' else code for code in range(256))
_LEAST_WORD = 4
_FIGURE = re.compile(r"\d+")

FILLER = re.compile(
    r"(?i)you are an? (?:(?:very|highly|extremely) )?(?:helpful|friendly|intelligent|knowledgeable|skilled|smart|professional)[\w ,]*assistant[.!,]?"
    r"|as an ai (?:language )?model[,.]?|i want you to act as|your (?:task|job|goal|role) is to"
    r"|it is (?:(?:very|extremely) )?important (?:to note )?that|please (?:make sure|be sure|ensure|note|remember)(?: that| to)?"
    r"|always remember(?: that| to)?|make sure (?:that|to)|do not forget to|take a deep breath[^.]*|think step by step"
    r"|this is (?:very )?important(?: to my career)?|thank you[^.\n]*|you will be tipped[^.]*"
    r"|!{2,}|[ \t]{3,}|[=*#_~-]{6,}"
)
_EXAMPLE = re.compile(r"(?im)^[ \t]*(?:#+ *|\**)?(?:(?:few-?shot )?example|beispiel|exemple|ejemplo)\b[ \t]*\d*[ \t]*(?:\**)?[:.)]|<example\b[^>]*>")
_ASKED = re.compile(r"(?im)^[ \t]*(?:q|input|question|user|text|review|frage)[ \t]*\d*:")
_ANSWERED = re.compile(r"(?im)^[ \t]*(?:a|output|answer|assistant|label|sentiment|category|antwort)[ \t]*\d*:")
_TAGGED = re.compile(r"<(document|doc|passage|context|chunk|source|snippet|search_result|result)\b[^>]*>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_NUMBERED = re.compile(
    r"(?im)^[ \t]*(?:\[\d{1,3}\]|(?:document|doc|passage|chunk|source|snippet|result|context)[ #]*\d{1,3}\b[^\n:]{0,60}:?"
    r"|---+ *(?:document|source)[^\n]*)"
)
_HEADED = re.compile(r"(?im)^[ \t#*]*(?:context|documents?|sources|passages|knowledge|search results|retrieved[\w ]*|background)[ \t*]*:[ \t*]*\n?")
_HEAD_ENDS = re.compile(r"(?im)^[ \t#*]*(?:question|user question|query|task|instructions?|answer|frage)[ \t*]*:")

_STOP = frozenset(
    (
        b"about above after again against also although always another because been before being below between both cannot could does doing "
        b"down during each even ever every following from further good have having here however into itself just know like made make many more "
        b"most much must need never only other ought ours over please same shall should some such sure than that thank thanks their them then "
        b"there these they this those though through thus under until upon used using very want well were what when where whether which while "
        b"will with within without would your yours yourself answer question based given provided"
    ).split()
)


class Passage(msgspec.Struct, frozen=True):
    """A document within a turn; `text` goes without its mark."""

    start: int  # in characters of the turn
    end: int
    text: str


class Reading(msgspec.Struct, frozen=True):
    """One turn. `sentences` are hash and size, in order."""

    size: int
    sentences: tuple[tuple[int, int], ...]
    words: frozenset[bytes]


def size_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def hash_of(text: str) -> int:
    """Of a stretch of text: 32 bits and its length. For use within one prompt or endpoint."""
    return _hash(text.encode("utf-8", "surrogatepass"))


def _hash(raw: bytes) -> int:
    return crc32(raw) | (len(raw) & 0xFFFF) << 32


@lru_cache(maxsize=_REMEMBERED)
def read(text: str) -> Reading:
    """A turn, or a passage of one."""
    return Reading(size_of(text), sentences_of(text), words_of(text))


@lru_cache(maxsize=_REMEMBERED)
def sentences_of(text: str) -> tuple[tuple[int, int], ...]:
    """Hash and size of each sentence, in order."""
    raw = text.encode("utf-8", "surrogatepass").replace(b"\n", b". ")
    # `_hash`, written out: a call for each sentence takes as long as the rest.
    return tuple([(crc32(one) | (len(one) & 0xFFFF) << 32, len(one) + 2) for one in raw.split(b". ") if len(one) > 2])


@lru_cache(maxsize=_REMEMBERED)
def long_sentences_of(text: str) -> frozenset[int]:
    """Hashes of the sentences that are long enough to count as repeated."""
    return frozenset(key for key, size in sentences_of(text) if size >= LEAST_SENTENCE)


@lru_cache(maxsize=_REMEMBERED)
def stretches_of(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a system prompt; behind the first ones several are taken together, so that there are no more than `_STRETCHES`."""
    sentences = sentences_of(text)
    head, rest = sentences[: _STRETCHES // 2], sentences[_STRETCHES // 2 :]
    width = max(_TOGETHER, -(-len(rest) // (_STRETCHES // 2)))
    groups = (rest[start : start + width] for start in range(0, len(rest), width))
    return (*head, *((_hash(repr(group).encode()), sum(size for _, size in group)) for group in groups))


def figures_of(text: str) -> int:
    """A hash of the numbers in a text; texts that differ in one do not say the same."""
    return crc32(" ".join(sorted(_FIGURE.findall(text))).encode())


def words_of(text: str) -> frozenset[bytes]:
    """The words that carry a meaning: four letters or more, or with a digit, and no stop words."""
    found = text.lower().encode("utf-8", "surrogatepass").translate(_BLANKS, b"'").split()
    return frozenset([word for word in set(found) if len(word) >= _LEAST_WORD or word.isdigit()]) - _STOP


@lru_cache(maxsize=_REMEMBERED)
def filler_of(text: str) -> tuple[int, str]:
    """Bytes of a system prompt that say nothing, or say again what stands in it already, and the longest such stretch."""
    seen: set[str] = set()
    found, longest = 0, ""
    for sentence in text.replace("\n", ". ").split(". "):
        if sentence in seen and len(sentence) >= LEAST_SENTENCE:
            size, phrase = len(sentence), sentence
        else:
            size, phrase = _empty(sentence)
        found += size
        longest = phrase if len(phrase) > len(longest) else longest
        seen.add(sentence)
    return found, longest[:_SHOWN]


@lru_cache(maxsize=_REMEMBERED)
def _empty(sentence: str) -> tuple[int, str]:
    found = [match[0] for match in FILLER.finditer(sentence)]
    return sum(map(len, found)), max(found, key=len, default="")


@lru_cache(maxsize=_REMEMBERED)
def examples_of(text: str) -> tuple[int, int, int]:
    """How many examples a prompt holds, and where they begin and end (in characters)."""
    marks = [match.start() for match in _EXAMPLE.finditer(text)]
    if len(marks) < 2:
        asked = [match.start() for match in _ASKED.finditer(text)]
        answered = [match.start() for match in _ANSWERED.finditer(text)]
        marks = asked if len(asked) >= 2 and len(answered) >= 2 else []
    if len(marks) < 2:
        return 0, 0, 0
    widest = max(after - before for before, after in pairwise(marks))
    return len(marks), marks[0], min(len(text), marks[-1] + widest)


@lru_cache(maxsize=_REMEMBERED)
def passages_of(text: str) -> tuple[Passage, ...]:
    """The documents in a prompt: between tags, under numbers, or under a heading such as `Context:`."""
    found = tuple(Passage(match.start(), match.end(), match[2]) for match in _TAGGED.finditer(text))
    if found:
        return tuple(inner for passage in found for inner in _within(passage)) if len(found) == 1 else found
    head = _HEADED.search(text)
    if head is None:
        return _numbered(text, 0, len(text), least=2)
    ends = _HEAD_ENDS.search(text, head.end())
    end = ends.start() if ends else len(text)
    return _numbered(text, head.end(), end, least=2) or _paragraphs(text, head.end(), end)


def _within(passage: Passage) -> tuple[Passage, ...]:
    """One tag around all of them."""
    at = passage.end - len(passage.text)
    inner = _numbered(passage.text, 0, len(passage.text), least=2) or _paragraphs(passage.text, 0, len(passage.text))
    return tuple(Passage(at + one.start, at + one.end, one.text) for one in inner) or (passage,)


def _numbered(text: str, start: int, end: int, *, least: int) -> tuple[Passage, ...]:
    marks = [match.span() for match in _NUMBERED.finditer(text, start, end)]
    if len(marks) < least:
        return ()
    ends = [*(mark for mark, _ in marks[1:]), _last_end(text, marks[-1][0], end)]
    return tuple(Passage(mark, stop, text[behind:stop].strip()) for (mark, behind), stop in zip(marks, ends, strict=True))


def _last_end(text: str, mark: int, end: int) -> int:
    """The last document ends where a question or an empty line after it begins."""
    head = _HEAD_ENDS.search(text, mark, end)
    blank = text.find("\n\n", mark, end)
    return min([end, *([head.start()] if head else []), *([blank] if blank > 0 else [])])


def _paragraphs(text: str, start: int, end: int) -> tuple[Passage, ...]:
    found: list[Passage] = []
    while start < end:
        stop = text.find("\n\n", start, end)
        stop = end if stop < 0 else stop
        if text[start:stop].strip():
            found.append(Passage(start, stop, text[start:stop]))
        start = stop + 2
    return tuple(found)
