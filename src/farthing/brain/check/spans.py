"""Spans: where a pattern matches a text, disguised or not, in places of the original."""

from collections.abc import Callable, Iterable, Iterator

from farthing.brain.check.disguise import Mapped, latin, plain, views, without_surrogates
from farthing.brain.reading.patterns import Match, Pattern, Span

Named = tuple[int, int, str]
Narrow = Callable[[Match], Span | None]


def whole(match: Match) -> Span | None:
    """All of a match counts."""
    return match.span()


def matches(pattern: Pattern, text: str) -> bool:
    return any(pattern.search(view) is not None for view in views(text))


def find_spans(pattern: Pattern, text: str, narrow: Narrow = whole) -> list[Named]:
    """Start, end and group name of every match, as far as `narrow` lets it count, in places of the text; views may overlap."""
    if text.isascii():
        return list(_counted(pattern, text, narrow))
    text = without_surrogates(text)
    found: list[Named] = []
    for view in (plain, latin):
        mapped = Mapped(text, view)
        found.extend((*mapped.original_span(start, end), name) for start, end, name in _counted(pattern, mapped.text, narrow))
    return found


def _counted(pattern: Pattern, text: str, narrow: Narrow) -> Iterator[Named]:
    for match in pattern.finditer(text):
        span = narrow(match)
        if span is not None:
            yield *span, match.lastgroup or ""


def apart(spans: Iterable[Named]) -> list[Named]:
    """In order, with overlapping ones made one; the first gives its name."""
    found: list[Named] = []
    for start, end, name in sorted(spans, key=lambda span: (span[0], -span[1])):
        if found and start < found[-1][1]:
            first = found[-1]
            found[-1] = (first[0], max(first[1], end), first[2])
        else:
            found.append((start, end, name))
    return found


def replace(text: str, spans: Iterable[Named]) -> str:
    """Each span replaced by its name in brackets."""
    pieces: list[str] = []
    at = 0
    for start, end, name in spans:
        pieces += (text[at:start], f"[{name}]")
        at = end
    pieces.append(text[at:])
    return "".join(pieces)
