"""Rule `extract`: of long documents, the sentences that have to do with the question. Pure.

Sentences of all documents compete for one budget, so that a document that says nothing goes before a sentence of one that does; documents that the
caller put first are trusted a little more. What stays stands in its place, with an ellipsis where something went; a heading stays with its first
sentence; tags and code always stay, quoted words are never parted.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import log, log1p

import msgspec

from farthing.brain.diet.lossy.kept import TAG, Kept
from farthing.brain.diet.lossy.worth import Pieces
from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.reading.words import terms

_GAP = " ... "
_NOTHING = "[nothing here about the question]"
_MOST_SPACE = 64
_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_HEADING = re.compile(r"(?:#{1,6} |\[?\d{1,3}[\]):.] ?|(?:document|source|title|passage)\b.{0,20}:)", re.IGNORECASE)
_MOST_HEADING = 120  # characters
# Chosen among a few by hand, on the last questions of three sets; bench/diet.py reports on the first ones.
_WEIGHTS = {"passage": 1.0, "order": 0.3, "own": 0.5, "around": 0.15, "lead": 0.05, "length": 0.1}


class Sentence(msgspec.Struct, gc=False):
    """One sentence of a text. `pinned`: it stays whatever happens."""

    text: int  # which of the texts
    passage: int  # ordinal over all texts
    start: int
    end: int
    chars: int  # what sending it takes, with what parts it from the next
    heading: bool
    pinned: bool


def extract(texts: Sequence[str], question: str, budget_tokens: int, chars_per_token: float) -> list[str]:
    """The texts, cut to the budget all together. As they are where they fit, or where they share no word with the question.

    Tokens are reckoned from characters: an exact count of every sentence would take longer than all the rest.
    """
    wanted, left = terms(question), budget_tokens * chars_per_token
    if sum(map(len, texts)) <= left:
        return list(texts)
    sentences = split(texts)
    kept = {place for place, one in enumerate(sentences) if one.pinned}
    left -= sum(sentences[place].chars for place in kept)
    scores = worth(texts, sentences, wanted)
    if scores is None:
        return list(texts)
    heads = {one.passage: place for place, one in enumerate(sentences) if one.heading}
    for place in sorted(range(len(sentences)), key=lambda place: (-scores[place], place)):
        if sentences[place].heading or place in kept:
            continue
        more = {place, heads.get(sentences[place].passage, place)} - kept
        if (cost := sum(sentences[one].chars for one in more)) <= left:
            left -= cost
            kept |= more
    return [_joined(text, [(one, place in kept) for place, one in enumerate(sentences) if one.text == number]) for number, text in enumerate(texts)]


def split(texts: Sequence[str]) -> list[Sentence]:
    """Every sentence of every text. Tags are sentences of their own, and part passages like empty lines do."""
    found: list[Sentence] = []
    passage = 0
    for number, text in enumerate(texts):
        keep = Kept(text)
        for start, end, tag in _blocks(text, keep):
            spans = [(start, end)] if tag else _merged([(start + one, start + other) for one, other in sentence_spans(text[start:end])], keep)
            for place, (first, last) in enumerate(spans):
                heading = place == 0 and len(spans) > 1 and _is_heading(text[first:last])
                chars = last - first + max(len(_GAP), _space_after(text, last))
                found.append(Sentence(number, passage, first, last, chars, heading, pinned=tag or keep.code(first, last)))
            passage += 1
    return found


def _space_after(text: str, end: int) -> int:
    rest = text[end : end + _MOST_SPACE]
    return len(rest) - len(rest.lstrip())


def _blocks(text: str, keep: Kept) -> list[tuple[int, int, bool]]:
    """Tags and what stands between them, parted at empty lines as well; nothing is parted inside of code or quoted words."""
    cuts = sorted([*((*match.span(), True) for match in TAG.finditer(text)), *((*match.span(), False) for match in _PARAGRAPH.finditer(text))])
    blocks: list[tuple[int, int, bool]] = []
    done = 0
    for start, end, tag in cuts:
        if start < done or keep.parts(start, end):
            continue
        blocks.append((done, start, False))
        if tag:
            blocks.append((start, end, True))
        done = end
    return [block for block in [*blocks, (done, len(text), False)] if text[block[0] : block[1]].strip()]


def _merged(spans: list[tuple[int, int]], keep: Kept) -> list[tuple[int, int]]:
    """Sentences that share a piece of code or a quotation are one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and keep.bridges(joined[-1][1], start):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _is_heading(sentence: str) -> bool:
    return len(sentence) <= _MOST_HEADING and (_HEADING.match(sentence) is not None or sentence[-1:] not in ".!?;,")


def worth(texts: Sequence[str], sentences: Sequence[Sentence], wanted: Sequence[str]) -> list[float] | None:
    """How much each sentence has to do with the question; `None` where no word of it stands in any."""
    rows = features(texts, sentences, wanted)
    if not any(row["own"] for row in rows):
        return None
    return [sum(_WEIGHTS[name] * value for name, value in row.items()) for row in rows]


def features(texts: Sequence[str], sentences: Sequence[Sentence], wanted: Sequence[str]) -> list[dict[str, float]]:
    """What the score of a sentence is made of, relative to the best of this prompt."""
    said = [terms(texts[one.text][one.start : one.end]) for one in sentences]
    own = Pieces(said).scores(wanted)
    passages: dict[int, list[str]] = {}
    for one, found in zip(sentences, said, strict=True):
        passages.setdefault(one.passage, []).extend(found)
    whole = dict(zip(passages, Pieces([*passages.values()]).scores(wanted), strict=True))
    most, best = max(whole.values(), default=0.0) or 1.0, max(own, default=0.0) or 1.0
    order = {passage: -log(1 + rank) for rank, passage in enumerate(passages)}
    rows: list[dict[str, float]] = []
    for place, one in enumerate(sentences):
        near = [own[other] for other in (place - 1, place + 1) if 0 <= other < len(own) and sentences[other].passage == one.passage]
        lead = place == 0 or sentences[place - 1].passage != one.passage or sentences[place - 1].heading
        rows.append(
            {
                "passage": whole[one.passage] / most,
                "own": own[place] / best,
                "around": max(near, default=0.0) / best,
                "lead": float(lead),
                "order": order[one.passage],
                "length": log1p(len(said[place])) / 3,
            }
        )
    return rows


def _joined(text: str, sentences: Sequence[tuple[Sentence, bool]]) -> str:
    """What stays, in its place; the text itself where all of it does."""
    kept = [one for one, stays in sentences if stays]
    if len(kept) == len(sentences):
        return text
    if not kept:
        return _NOTHING
    parts = [text[kept[0].start : kept[0].end]]
    for before, one in pairwise(kept):
        between = text[before.end : one.start]
        parts += (between if not between.strip() else "\n" if "\n" in between else _GAP, text[one.start : one.end])
    return "".join(parts)
