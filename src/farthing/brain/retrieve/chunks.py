"""Cut a document into chunks: along its headings first, then between sentences, with a little overlap.

Guarantees: no chunk crosses a heading unless both sides are small; every sentence is in a chunk; a chunk holds at most `size_tokens` unless one
unbroken word is longer; equal input gives equal chunks, so a change moves only the chunks of its own section.
"""

import hashlib
from collections.abc import Iterator, Sequence

from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.retrieve.lexical import sequence
from farthing.core.document import Chunk, Section

_BYTES_PER_TOKEN = 4.2  # of English prose; the embedder cuts at 256 tokens, far above the size that is aimed at


def chunks(title: str, sections: Sequence[Section], *, size_tokens: int, overlap_tokens: int) -> list[Chunk]:
    """Chunks of a document in order, without vectors."""
    found: list[Chunk] = []
    for section in _joined(sections, size_tokens // 3):
        heading = " > ".join(part for part in (title, section.heading) if part)
        for text in _cut(section.text, size_tokens, overlap_tokens):
            found.append(_chunk(len(found), heading, text))
    return found


def estimated_tokens(text: str) -> int:
    """About as many as a model counts."""
    return max(1, round(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN))


def _chunk(place: int, heading: str, text: str) -> Chunk:
    spans = tuple(sentence_spans(text))
    terms = sequence([heading, *(text[start:end] for start, end in spans)])
    digest = hashlib.blake2b(f"{heading}\n{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return Chunk(place, digest, heading, text, spans, terms.astype("<u4").tobytes())


def _joined(sections: Sequence[Section], small_tokens: int) -> Iterator[Section]:
    """Small sections that follow each other become one; its own heading stays with each as a line of text."""
    held: Section | None = None
    for section in sections:
        text = section.text.strip()
        if not text:
            continue
        if held is None:
            held = Section(section.heading, text)
        elif estimated_tokens(held.text) + estimated_tokens(text) <= small_tokens:
            shared = _shared(held.heading, section.heading)
            own = section.heading.removeprefix(shared).removeprefix(" > ")
            first = held.heading.removeprefix(shared).removeprefix(" > ")
            held = Section(shared, "\n".join(part for part in (first, held.text, own, text) if part))
        else:
            yield held
            held = Section(section.heading, text)
    if held is not None:
        yield held


def _shared(one: str, other: str) -> str:
    """The part of the way that two headings share."""
    pairs = zip(one.split(" > "), other.split(" > "), strict=False)
    kept: list[str] = []
    for left, right in pairs:
        if left != right:
            break
        kept.append(left)
    return " > ".join(kept)


def _cut(text: str, size_tokens: int, overlap_tokens: int) -> Iterator[str]:
    """Runs of whole sentences that fit; the last ones of a run begin the next."""
    units = [unit for span in sentence_spans(text) for unit in _split(text, span, size_tokens)]
    sizes = [estimated_tokens(text[start:end]) for start, end in units]
    first = 0
    while first < len(units):
        last, total = first, sizes[first]
        while last + 1 < len(units) and total + sizes[last + 1] <= size_tokens:
            last += 1
            total += sizes[last]
        yield text[units[first][0] : units[last][1]]
        if last + 1 >= len(units):
            return
        following, carried = last + 1, 0
        while following - 1 > first and carried + sizes[following - 1] <= overlap_tokens:
            following -= 1
            carried += sizes[following]
        first = following


def _split(text: str, span: tuple[int, int], size_tokens: int) -> Iterator[tuple[int, int]]:
    """A sentence longer than a chunk, in pieces of whole words."""
    start, end = span
    while estimated_tokens(text[start:end]) > size_tokens:
        cut = start + max(1, int(size_tokens * _BYTES_PER_TOKEN * (end - start) / max(1, len(text[start:end].encode("utf-8", "replace")))))
        space = text.rfind(" ", start + 1, cut)
        cut = space if space > start else cut
        yield start, cut
        start = cut + (1 if text[cut : cut + 1] == " " else 0)
    if start < end:
        yield start, end
