"""Rules for running text and Markdown: space that says nothing, comments and badges that no model needs."""

import re

_INVISIBLE = re.compile("[\u200b\u200c\u2060\ufeff\u00ad]")
_TRAILING = re.compile(r"(?m)[ \t]+$")
_HARD_BREAK = re.compile(r"(?m)(?<=\S)  $(?=\n[^\n])")
_MARK = "\ue002"
_BLANK_LINES = re.compile(r"\n{3,}")
_INNER_SPACES = re.compile(r"(?m)^(\S+(?: \S+)*) {2,}(\S+(?: \S+)*)$")

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BADGE = re.compile(r"\[!\[[^\]\n]*\]\([^)\n]*\)\]\([^)\n]*\)[ \t]*")
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*\"([^\"]*)\"", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\b[^>]*?\bhref\s*=\s*\"([^\"]+)\"[^>]*>([^<>]*)</a>", re.IGNORECASE)
_LOOKS = re.compile(r"</?(?:p|div|center|span|font|picture|source|br|hr|sup|sub|details|summary|kbd|b|i|em|strong|small)\b[^>]*>", re.IGNORECASE)
_RULE = re.compile(r"(?m)^([-*_=])\1{3,}$")
_RULES = ("----", "****", "____", "====")
_TABLE_LINE = re.compile(r"(?m)^[ \t]*\|.*\|[ \t]*$")
_TABLE_PADDING = re.compile(r"[ \t]*\|[ \t]*")
_TABLE_RULE = re.compile(r"(:?)-{2,}(:?)")
_CLOSING_HASHES = re.compile(r"(?m)^(#{1,6} .*?\S)[ \t]+#+$")


def whitespace(text: str) -> str:
    """No invisible characters, no space at the end of a line (two before a line of text are Markdown's line break), one blank line at most."""
    text = text.replace("\r\n", "\n")
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    if " \n" in text or "\t\n" in text or text[-1:] in (" ", "\t"):
        text = _HARD_BREAK.sub(_MARK, text) if "  \n" in text else text
        text = _TRAILING.sub("", text).replace(_MARK, "  ")
    if "  " in text:
        text = _INNER_SPACES.sub(r"\1 \2", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n")


def markdown(text: str) -> str:
    """The same rendered text: comments, badges, table padding, long rules go; raw HTML leaves its words. Front matter stays: it answers questions."""
    if "<!--" in text:
        text = _COMMENT.sub("", text)
    if "[![" in text:
        text = _BADGE.sub("", text)
    if "|" in text:
        text = _TABLE_LINE.sub(_narrow, text)
    if "</" in text or "<img" in text:
        text = _LOOKS.sub("", _ANCHOR.sub(r"[\2](\1)", _IMAGE.sub(_alt, text)))
    if any(rule in text for rule in _RULES):
        text = _RULE.sub(r"\1\1\1", text)
    return _CLOSING_HASHES.sub(r"\1", text) if " #" in text else text


def _alt(match: "re.Match[str]") -> str:
    said = _ALT.search(match[0])
    return said[1] if said else ""


def _narrow(match: "re.Match[str]") -> str:
    line = match[0].strip()
    if "\\|" in line:
        return match[0]
    cells = _TABLE_PADDING.sub("|", line)
    return _TABLE_RULE.sub(r"\1-\2", cells) if not cells.strip("|-: ") else cells
