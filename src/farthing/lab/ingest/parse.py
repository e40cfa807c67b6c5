"""A file as sections of text: Markdown, HTML, plain text, PDF (pypdf), DOCX (python-docx).

Runs in a child process (child.py): these formats come from strangers, and a file that takes the reader down must not take the rest along.
Raises `Unreadable` with what is wrong with the file in words.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

from farthing.core.document import Section

Sections = list[Section]
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_MOST_CONTROL_SHARE = 0.02
_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_INSTALL = "pip install 'farthing[docs]'"


class Unreadable(Exception):
    """This file cannot be used; the message says why and what would help."""


def parse(name: str, blob: bytes) -> Sections:
    """Sections of a file in order. Raises `Unreadable`."""
    if not blob.strip():
        raise Unreadable("empty")
    return READERS[Path(name).suffix.lower()](blob)


def _text(blob: bytes) -> str:
    """UTF-8, or UTF-16 with its mark. Anything else is refused: a guess would put nonsense into answers."""
    encoding = _ENCODINGS.get(blob[:2], "utf-8-sig")
    try:
        text = blob.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"neither UTF-8 nor UTF-16 text (byte {error.start}); convert it: iconv -f WINDOWS-1252 -t UTF-8") from error
    odd = sum(1 for char in text if ord(char) < 32 and char not in "\t\n\r\f")
    if odd > len(text) * _MOST_CONTROL_SHARE:
        raise Unreadable("binary, no text")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\x00", "")


def _plain(blob: bytes) -> Sections:
    return [Section("", _text(blob))]


def _markdown(blob: bytes) -> Sections:
    """By its headings; what looks like one within a code fence is none."""
    build, fenced = _Builder(), False
    for line in _FRONT_MATTER.sub("", _text(blob)).split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading:
            build.head(len(heading[1]), heading[2])
        else:
            build.add(line + "\n")
    return build.sections()


class _Builder:
    """Sections with the way of headings to each."""

    def __init__(self) -> None:
        self._done: Sections = []
        self._way: list[tuple[int, str]] = []
        self._text: list[str] = []

    def head(self, level: int, words: str) -> None:
        self._close()
        self._way = [(depth, name) for depth, name in self._way if depth < level] + [(level, words)]

    def add(self, text: str) -> None:
        self._text.append(text)

    def sections(self) -> Sections:
        self._close()
        return self._done

    def _close(self) -> None:
        text = "".join(self._text).strip()
        if text:
            self._done.append(Section(" > ".join(name for _, name in self._way), text))
        self._text = []


class _Page(HTMLParser):
    """Text that a reader of the page would see, by its headings."""

    _SKIPPED = frozenset(("script", "style", "noscript", "template", "svg", "nav", "footer", "head", "iframe", "form", "button", "select"))
    _VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
    _BLOCKS = frozenset(
        re.findall(r"\w+", "p div li tr table ul ol dl dt dd section article blockquote pre main header aside h1 h2 h3 h4 h5 h6 br hr")
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.build = _Builder()
        self._skipping: str | None = None
        self._depth = 0
        self._heading: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        hidden = any(name == "hidden" or (name == "aria-hidden" and value == "true") for name, value in attrs) and tag not in self._VOID
        if self._skipping is not None:
            self._depth += tag == self._skipping
        elif tag in self._SKIPPED or hidden:
            self._skipping, self._depth = tag, 1
        elif re.fullmatch("h[1-6]", tag):
            self._heading = []
        elif tag in self._BLOCKS:
            self._say("\n")
        elif tag in ("td", "th"):
            self._say(" | ")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping is not None:
            self._depth -= tag == self._skipping
            self._skipping = self._skipping if self._depth else None
        elif re.fullmatch("h[1-6]", tag) and self._heading is not None:
            words, self._heading = " ".join("".join(self._heading).split()), None
            if words:
                self.build.head(int(tag[1]), words)
        elif tag in self._BLOCKS:
            self._say("\n")

    def handle_data(self, data: str) -> None:
        if self._skipping is None:
            self._say(re.sub(r"\s+", " ", data))

    def _say(self, text: str) -> None:
        if self._heading is not None:
            self._heading.append(text)
        else:
            self.build.add(text)


def _html(blob: bytes) -> Sections:
    declared = re.search(rb"""<meta[^>]+charset=["']?([\w-]+)""", blob[:4096], re.IGNORECASE)
    if declared and declared[1].lower() not in (b"utf-8", b"utf8") and blob[:2] not in _ENCODINGS:
        try:
            blob = blob.decode(declared[1].decode()).encode()
        except (LookupError, UnicodeDecodeError) as error:
            raise Unreadable(f"not in the encoding that it declares ({declared[1].decode()})") from error
    page = _Page()
    page.feed(_text(blob))
    page.close()
    return [Section(section.heading, re.sub(r" *\n\s*", "\n", section.text)) for section in page.build.sections()]


def _pdf(blob: bytes) -> Sections:
    try:
        import pypdf
    except ImportError as error:
        raise Unreadable(f"PDF needs an extra: {_INSTALL}") from error
    reader: Any = pypdf.PdfReader(BytesIO(blob))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("encrypted; save it without a password")
    found = [Section(f"page {number}", _unwrapped(page.extract_text() or "")) for number, page in enumerate(reader.pages, 1)]
    if not any(section.text.strip() for section in found):
        raise Unreadable("no text in it, only pictures; run it through OCR first")
    return found


def _unwrapped(text: str) -> str:
    """Lines of one paragraph joined, words that were broken at a line's end mended."""
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    return re.sub(r"(?<=[a-z,;])\n(?=[a-z(])", " ", text)


def _docx(blob: bytes) -> Sections:
    try:
        import docx
    except ImportError as error:
        raise Unreadable(f"DOCX needs an extra: {_INSTALL}") from error
    document: Any = docx.Document(BytesIO(blob))
    build = _Builder()
    for item in document.iter_inner_content():
        if hasattr(item, "rows"):
            for row in item.rows:
                build.add(" | ".join(cell.text.strip() for cell in row.cells) + "\n")
            continue
        style = (item.style.name if item.style is not None else "") or ""
        level = re.fullmatch(r"Heading (\d)", style)
        if style == "Title" or level:
            build.head(int(level[1]) if level else 0, item.text.strip())
        else:
            build.add(item.text + "\n")
    return build.sections()


READERS: dict[str, Callable[[bytes], Sections]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".txt": _plain,
    ".text": _plain,
    ".rst": _plain,
    ".pdf": _pdf,
    ".docx": _docx,
}
