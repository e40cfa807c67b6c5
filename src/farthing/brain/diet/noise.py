"""Rules for what machines put around text: HTML that only makes it look like something, log lines that repeat, phrases that say nothing."""

import re
from html import unescape

_HTML = re.compile(r"\A\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style|svg|noscript|template|iframe|head)\b.*?</\1\s*>|<!--.*?-->|<!doctype[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title\s*>", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"<a\b[^>]*?\bhref\s*=\s*[\"']?([^\"'\s>]+)[^>]*>(.*?)</a\s*>", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r"<h([1-6])\b[^>]*>", re.IGNORECASE)
_ITEM = re.compile(r"<li\b[^>]*>", re.IGNORECASE)
_CELL_END = re.compile(r"</t[dh]\s*>\s*(?=<t[dh])", re.IGNORECASE)
_LINE = re.compile(r"</?(?:p|div|section|article|header|footer|main|nav|ul|ol|table|tr|h[1-6]|br|hr|blockquote|pre)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_SPACES = re.compile(r"[ \t\u00a0]+")
_LINES = re.compile(r"\s*\n\s*")

_LEAST_REPEATS = 3


def html_text(text: str) -> str:
    """A whole HTML page as the text that it shows: headings, list items, cells and links kept in Markdown's way."""
    if not _HTML.match(text):
        return text
    title = _TITLE.search(text)
    text = _UNSEEN.sub(" ", text)
    text = _LINK.sub(r"[\2](\1)", text)
    text = _HEADING.sub(lambda found: "\n" + "#" * int(found[1]) + " ", text)
    text = _CELL_END.sub(" | ", _ITEM.sub("\n- ", text))
    text = unescape(_TAG.sub("", _LINE.sub("\n", text)))
    text = _LINES.sub("\n", _SPACES.sub(" ", text)).strip()
    return f"{unescape(title[1]).strip()}\n{text}" if title is not None and title[1].strip() else text


def repeated_lines(text: str) -> str:
    """Three or more equal lines in a row, as one with their number."""
    lines = text.split("\n")
    if len(lines) < _LEAST_REPEATS:
        return text
    out: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        end = place + 1
        while end < len(lines) and lines[end] == line:
            end += 1
        if end - place >= _LEAST_REPEATS and line.strip():
            out.append(f"{line} (x{end - place})")
        else:
            out += lines[place:end]
        place = end
    return "\n".join(out) if len(out) < len(lines) else text


class Phrases:
    """Takes out lines that consist of a known phrase and nothing else."""

    def __init__(self, phrases: "tuple[str, ...]") -> None:
        words = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
        self._pattern = re.compile(rf"(?im)^[ \t>*-]*(?:{words})[ \t.!]*(?:\n|\Z)") if words else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub("", text)
