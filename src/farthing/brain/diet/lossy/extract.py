"""Rule `extract`: of long documents, the sentences that have to do with the question. Pure.

Sentences of all documents compete for one budget, so that a document that says nothing goes before a sentence of one that does; documents that the
caller put first are trusted a little more, and much more where their order is plainly one and the question says little (`order_faith`). What stays
stands in its place, with an ellipsis where something went; a heading stays with its first sentence; tags and code always stay, quoted words are
never parted.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from math import inf, log, log1p

import msgspec

from farthing.brain.diet.lossy.kept import TAG, Kept
from farthing.brain.diet.lossy.worth import Pieces
from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.reading.words import terms

_GAP = " ... "
_NOTHING = "[nothing here about the question]"
_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_HEADING = re.compile(r"(?:#{1,6} |\[?\d{1,3}[\]):.] ?|(?:document|source|title|passage)\b.{0,20}:)", re.IGNORECASE)
_MOST_HEADING = 120  # characters
# Chosen by search on the last questions of three sets, best first and in any order; bench/diet_lossy.py reports on the first ones.
_WEIGHTS = {"passage": 1.0, "order": 0.3, "first": 0.0, "own": 0.65, "around": 0.15, "lead": 0.05, "length": 0.15}
_BY_FAITH = {"order": 1.4, "first": 0.3}  # how much more these weigh where the caller's order is to be believed
_OWN_BY_FAITH = 0.95  # how much less a sentence's own words
_SURE_ORDER = 0.35  # rank correlation from which the order is surely one
_MANY_WORDS, _FEW_WORDS = 8, 4
_MOST_FAITH = 1.5
_RANKED = 50  # passages whose order is looked at


class Sentence(msgspec.Struct, gc=False):
    """One sentence of a text. `pinned`: it stays whatever happens."""

    text: int  # which of the texts
    passage: int  # ordinal over all texts
    start: int
    end: int
    heading: bool
    pinned: bool


def extract(texts: Sequence[str], question: str, budget_tokens: int, chars_per_token: float) -> list[str]:
    """The texts, cut to the budget all together. As they are where they fit, or where they share no word with the question.

    Tokens are reckoned from characters: an exact count of every sentence would take longer than all the rest.
    """
    wanted, most_chars = terms(question), budget_tokens * chars_per_token - max(0, len(texts) - 1)  # with a line's end between texts
    if sum(map(len, texts)) <= most_chars:
        return list(texts)
    sentences = split(texts)
    scores = worth(texts, sentences, wanted)
    if scores is None:
        return list(texts)
    packed = Packed(texts, sentences)
    packed.add([place for place, one in enumerate(sentences) if one.pinned])
    heads = {one.passage: place for place, one in enumerate(sentences) if one.heading}
    for place in sorted(range(len(sentences)), key=lambda place: (-scores[place], place)):
        if not sentences[place].heading:
            packed.add([heads.get(sentences[place].passage, place), place], most_chars)
    return packed.texts()


class Packed:
    """What stays of all texts, in its place. Its length is that of the texts which it makes, with all that parts what stays."""

    def __init__(self, texts: Sequence[str], sentences: Sequence[Sentence]) -> None:
        self._texts, self._sentences = texts, sentences
        self._kept: list[list[int]] = [[] for _ in texts]
        self._parts = Counter(one.text for one in sentences)
        self.chars = len(_NOTHING) * len(self._parts)

    def add(self, places: Sequence[int], most_chars: float = inf) -> None:
        """These too, all or none: none where they make it longer than that."""
        before, added = self.chars, [place for place in dict.fromkeys(places) if place not in self._kept[self._sentences[place].text]]
        for place in added:
            self._insert(place)
        if self.chars > most_chars:
            for place in added:
                self._kept[self._sentences[place].text].remove(place)
            self.chars = before

    def texts(self) -> list[str]:
        """A text of which all stays is as it was."""
        return [self._joined(number) for number in range(len(self._texts))]

    def _insert(self, place: int) -> None:
        one = self._sentences[place]
        kept = self._kept[one.text]
        at = bisect(kept, place)
        before, after = kept[at - 1 : at] if at else [], kept[at : at + 1]
        self.chars += one.end - one.start if kept else one.end - one.start - len(_NOTHING)
        self.chars += sum(len(self._between(other, place)) for other in before) + sum(len(self._between(place, other)) for other in after)
        self.chars -= sum(len(self._between(one, other)) for one, other in zip(before, after, strict=False))
        kept.insert(at, place)

    def _between(self, one: int, other: int) -> str:
        """What stands between two that stay: what stood there, if it says nothing, else a mark that something went."""
        between = self._texts[self._sentences[one].text][self._sentences[one].end : self._sentences[other].start]
        return between if not between or between.isspace() else "\n" if "\n" in between else _GAP

    def _joined(self, number: int) -> str:
        text, kept = self._texts[number], self._kept[number]
        if len(kept) == self._parts[number]:
            return text
        if not kept:
            return _NOTHING
        parts = [self._said(kept[0])]
        for before, place in pairwise(kept):
            parts += (self._between(before, place), self._said(place))
        return "".join(parts)

    def _said(self, place: int) -> str:
        one = self._sentences[place]
        return self._texts[one.text][one.start : one.end]


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
                found.append(Sentence(number, passage, first, last, heading, pinned=tag or keep.code(first, last)))
            passage += 1
    return found


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
    said = [terms(texts[one.text][one.start : one.end]) for one in sentences]
    passages: dict[int, list[str]] = {}
    for one, found in zip(sentences, said, strict=True):
        passages.setdefault(one.passage, []).extend(found)
    whole = dict(zip(passages, Pieces([*passages.values()]).scores(wanted), strict=True))
    rows = features(sentences, said, whole, wanted)
    if not any(row["own"] for row in rows):
        return None
    weights = _weights(order_faith([*whole.values()], len(set(wanted))))
    return [sum(weights[name] * value for name, value in row.items()) for row in rows]


def _weights(faith: float) -> dict[str, float]:
    found = {name: weight + faith * _BY_FAITH.get(name, 0.0) for name, weight in _WEIGHTS.items()}
    return found | {"own": _WEIGHTS["own"] * (1 - _OWN_BY_FAITH * min(1.0, faith))}


def order_faith(scores: Sequence[float], words: int) -> float:
    """How much the caller's order of the passages is to be believed rather than the words of single sentences: from 0, up to 1.5.

    Much where it is the order that words give too (`scores` of the passages as they come, by Kendall's rank correlation), and the question has
    too few `words` to tell sentences apart: then the first passages are better kept whole, as cutting off the end would.
    """
    pairs = list(combinations(scores[:_RANKED], 2))
    agreement = sum((one > other) - (one < other) for one, other in pairs) / len(pairs) if pairs else 0.0
    few = (_MANY_WORDS - words) / (_MANY_WORDS - _FEW_WORDS)
    return min(1.0, max(0.0, agreement / _SURE_ORDER)) * min(_MOST_FAITH, max(0.0, few))


def features(
    sentences: Sequence[Sentence], said: Sequence[Sequence[str]], whole: Mapping[int, float], wanted: Sequence[str]
) -> list[dict[str, float]]:
    """What the score of a sentence is made of, relative to the best of this prompt. `said` are its terms, `whole` the scores of passages."""
    own = Pieces(said).scores(wanted)
    most, best = max(whole.values(), default=0.0) or 1.0, max(own, default=0.0) or 1.0
    rank = {passage: place for place, passage in enumerate(whole)}
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
                "order": -log(1 + rank[one.passage]),
                "first": float(rank[one.passage] == 0),
                "length": log1p(len(said[place])) / 3,
            }
        )
    return rows
