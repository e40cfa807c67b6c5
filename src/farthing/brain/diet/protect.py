"""What no rule may touch inside a text: fenced and inline code, quoted words, links.

They are taken out before the rules run and put back after, so that no rule has to know of them.
"""

import re

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: no text that means something holds them
_CODE = r"(?ms)^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)|`[^`\n]+`"  # a fence to its end, or to the end of the text
CODE = re.compile(_CODE)
WORDS = re.compile(_CODE + r'|"[^"\n]{1,400}"|“[^”\n]{1,400}”|«[^»\n]{1,400}»|\]\([^)\s]+\)')
_HOLE = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


def take_out(text: str, what: "re.Pattern[str]") -> tuple[str, list[str]] | None:
    """The text with numbered holes for all that matches `what`, and what was in them; `None` where it holds our own marks and must be left alone.

    `CODE` is fenced and inline code; `WORDS` is that, quoted words and the targets of links.
    """
    if _OPEN in text or _CLOSE in text:
        return None
    kept: list[str] = []

    def hole(match: "re.Match[str]") -> str:
        kept.append(match[0])
        return f"{_OPEN}{len(kept) - 1}{_CLOSE}"

    return what.sub(hole, text), kept


def put_back(text: str, kept: list[str]) -> str:
    return _HOLE.sub(lambda match: kept[int(match[1])], text) if kept else text
