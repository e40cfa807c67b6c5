"""Rule `results`: an old tool result that nothing later mentions keeps its head and a note of what was cut. Pure.

Mentioned is a result when a later turn or tool call uses a word or number that came up in the part to be cut and nowhere before it. JSON stays JSON:
lists keep their first entries, long strings their beginning; what stays is spelled as it was.
"""

import re
from collections.abc import Callable

import msgspec

from farthing.brain.diet.lossy.kept import Kept
from farthing.brain.reading.words import STOP_WORDS

CountTokens = Callable[[str], int]

_NOTE = re.compile(r"\[[\d,]+ (?:more (?:entries|characters)|characters) left out\]")
_WORD = re.compile(r"[\w][\w.@/-]*\w|\d+")
_LEAST_WORD = 5
_LEAST_TOKENS_CUT = 40
_KEPT = (b"```", b"~~~")
_DEPTH = 12
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def pruned(text: str, budget_tokens: int, count: CountTokens) -> str:
    """The head of a result; the text itself where that saves nothing, or where it was cut before."""
    tokens = count(text)
    if tokens < budget_tokens + _LEAST_TOKENS_CUT or _NOTE.search(text):
        return text
    head_chars = max(20, len(text) * budget_tokens // tokens)
    made = _json(text, head_chars) or _lines(text, head_chars)
    return made if count(made) + _LEAST_TOKENS_CUT <= tokens else text


def mentioned(whole: str, after: str, before: str, later: str) -> bool:
    """Whether what is said later rests on what would be cut: a word that only the cut part holds."""
    new = _names(whole) - _names(after) - _names(before)
    return not new.isdisjoint(_names(later))


def _names(text: str) -> set[str]:
    """Words that tell one thing from another: longer ones, and those with a digit."""
    found = {word.lower() for word in _WORD.findall(text)}
    return {word for word in found if (len(word) >= _LEAST_WORD or any(map(str.isdigit, word))) and word not in STOP_WORDS}


def _json(text: str, head_chars: int) -> str | None:
    """Smaller JSON; `None` for what is none, or no list or object."""
    try:
        value = msgspec.json.decode(text, type=msgspec.Raw)
        made = _smaller(bytes(value).strip(), head_chars, _DEPTH)
        msgspec.json.decode(made)
    except (ValueError, RecursionError):
        return None
    return made.decode() if text.lstrip()[:1] in ("{", "[") else None


def _smaller(raw: bytes, chars: int, depth: int) -> bytes:
    if len(raw) <= chars or depth == 0:
        return raw
    if raw[:1] == b"[":
        return _shorter_list(_RAW_LIST.decode(raw), chars, depth)
    if raw[:1] == b"{":
        fields = _RAW_FIELDS.decode(raw)
        room = max(20, chars // max(1, len(fields)))
        parts = (msgspec.json.encode(name) + b":" + _smaller(bytes(value).strip(), room, depth - 1) for name, value in fields.items())
        return b"{" + b",".join(parts) + b"}"
    if raw[:1] == b'"' and not _code(raw):
        said: str = msgspec.json.decode(raw, type=str)
        if len(said) <= chars:
            return raw
        return msgspec.json.encode(f"{_head(said, chars)} [{len(said) - chars:,} more characters left out]")
    return raw


def _shorter_list(entries: list[msgspec.Raw], chars: int, depth: int) -> bytes:
    kept: list[bytes] = []
    used = left = 0
    for entry in entries:
        raw = bytes(entry).strip()
        fits = used + len(raw) <= chars
        if fits or not kept or _code(raw):
            kept.append(raw if fits else _smaller(raw, chars, depth - 1))
        else:
            left += 1
        used += len(raw)
    return b"[" + b",".join([*kept, *([msgspec.json.encode(f"[{left:,} more entries left out]")] if left else [])]) + b"]"


def _code(raw: bytes) -> bool:
    """Whether it holds a block of code."""
    return any(mark in raw for mark in _KEPT)


def _lines(text: str, head_chars: int) -> str:
    """The first lines, and of the rest those of a block of code."""
    keep = Kept(text)
    kept: list[str] = []
    start = cut = 0
    for line in text.splitlines(keepends=True):
        end = start + len(line)
        if end <= head_chars or keep.code(start, end):
            kept.append(line)
        else:
            cut += len(line)
        start = end
    if not kept:
        head = _head(text, head_chars)
        kept, cut = [head], len(text) - len(head)
    body = "".join(kept).rstrip("\n")
    return f"{body}\n[{cut:,} characters left out]" if cut else text


def _head(text: str, chars: int) -> str:
    """The beginning, to the end of a word."""
    space = text.rfind(" ", chars // 2, chars)
    return text[: space if space > 0 else chars]
