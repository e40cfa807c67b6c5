"""Other words for what a question says, by rules alone: configured synonyms, abbreviations and hyphened words that the documents themselves explain,
spellings, irregular plurals, words that are written together or apart.

They go to the search by words, with less weight than the question's own; never to the search by meaning, whose vector knows most of them, and never
into the prompt. What stands in no passage is dropped by the index. Regular plurals need no rule: terms are stems.
Costs: 0.15 ms a question. Off: `retrieve.expand = []`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, get_args

import msgspec

from farthing.brain.reading.words import STOP_WORDS, stem, words
from farthing.brain.retrieve.spelling import apart, plurals, spellings
from farthing.config import Expansion, Retrieve
from farthing.core.document import Wording

Rule = Expansion
RULES: tuple[Rule, ...] = get_args(Rule)
_KINDS: Mapping[Rule, Literal["acronym", "compound"]] = {"acronyms": "acronym", "compounds": "compound"}
_LONGEST = 8  # words of a phrase
_SHORTEST_JOINED = 5
_MOST_MEANINGS = 3  # of one abbreviation: those that most documents have
_Key = tuple[str, ...]  # stems of a phrase, word by word


class Alternative(msgspec.Struct, frozen=True, gc=False):
    """What may stand in a passage in place of something that the question says."""

    rule: Rule
    said: str
    also: str


class Wordings:
    """What the documents of one collection give two names, while documents come and go."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Wording, ...]] = {}
        self.first: Counter[str] = Counter()  # words that any phrase begins with
        self._by_key: dict[tuple[str, _Key], dict[str, int]] = {}  # by kind and phrase: the other names, and how many documents have them

    def put(self, document: int, found: Iterable[Wording]) -> None:
        """In place of what the document had."""
        for one in self._held.pop(document, ()):
            self._count(one, -1)
        kept = tuple(found)
        if kept:
            self._held[document] = kept
        for one in kept:
            self._count(one, 1)

    def others(self, kind: str, key: _Key) -> list[str]:
        """Other names of this phrase, those of most documents first."""
        found = self._by_key.get((kind, key), {})
        return sorted(found, key=lambda name: (-found[name], name))[:_MOST_MEANINGS]

    def _count(self, one: Wording, by: int) -> None:
        for name, other in ((one.short, one.long), (one.long, one.short)):
            key = (one.kind, key_of(name))
            self.first[key[1][0] if key[1] else ""] += by
            names = self._by_key.setdefault(key, {})
            names[other] = names.get(other, 0) + by
            if names[other] <= 0:
                del names[other]
            if not names:
                del self._by_key[key]


class Expander:
    """Of one collection. `rows` are configured: each holds names for the same thing."""

    def __init__(self, rules: Sequence[Rule] = (), rows: Sequence[Sequence[str]] = (), wordings: Wordings | None = None) -> None:
        self.wordings = wordings or Wordings()
        self._rules = frozenset(rules)
        self._rows: dict[_Key, list[str]] = {}
        for row in rows if "synonyms" in self._rules else ():
            for name in row:
                self._rows.setdefault(key_of(name), []).extend(other for other in row if other != name)

        self._rows_begin = {key[0] for key in self._rows if key}

    def alternatives(self, text: str) -> list[Alternative]:
        """In the order of how much they are to be trusted; each once."""
        if not self._rules:
            return []
        said = words(text)
        found = [*self._phrases(text, said), *self._words(said)]
        order = {rule: place for place, rule in enumerate(RULES)}
        return sorted(dict.fromkeys(found), key=lambda one: order[one.rule])

    def _phrases(self, text: str, said: Sequence[str]) -> Iterator[Alternative]:
        stems = [stem(word) for word in said]
        shouted = text.isupper()
        for start in range(len(said)):
            if stems[start] not in self._rows_begin and self.wordings.first[stems[start]] <= 0:
                continue
            for end in range(start + 1, min(len(said), start + _LONGEST) + 1):
                phrase = " ".join(said[start:end])
                for rule, other in self._named(tuple(stems[start:end])):
                    # "who" asks, "WHO" is an organisation: where case alone tells, it must.
                    if phrase not in STOP_WORDS or (phrase.upper() in text and not shouted):
                        yield Alternative(rule, phrase, other)

    def _named(self, key: _Key) -> Iterator[tuple[Rule, str]]:
        for other in self._rows.get(key, ()):
            yield "synonyms", other
        for rule, kind in _KINDS.items():
            if rule in self._rules:
                for other in self.wordings.others(kind, key):
                    yield rule, other

    def _words(self, said: Sequence[str]) -> Iterator[Alternative]:
        for word in said:
            if word in STOP_WORDS:
                continue
            if "spellings" in self._rules:
                yield from (Alternative("spellings", word, other) for other in spellings(word))
            if "plurals" in self._rules:
                yield from (Alternative("plurals", word, other) for other in plurals(word))
            if "compounds" in self._rules and (parts := apart(word)) is not None:
                yield Alternative("compounds", word, " ".join(parts))
        if "compounds" in self._rules:
            yield from _joined(said)


def _joined(said: Sequence[str]) -> Iterator[Alternative]:
    """Neighbours as one word, where one of them at least means something."""
    for one, other in pairwise(said):
        together = one + other
        if len(together) >= _SHORTEST_JOINED and together.isalpha() and together not in STOP_WORDS and not {one, other} <= STOP_WORDS:
            yield Alternative("compounds", f"{one} {other}", together)


def key_of(phrase: str) -> _Key:
    """As phrases are compared: "Virtual private networks" is "virtual private network"."""
    return tuple(stem(word) for word in words(phrase))


def expander_of(settings: Retrieve, collection: str, wordings: Wordings) -> Expander:
    """As configured for this collection."""
    rows = [row.words for row in settings.synonyms if row.collections is None or collection in row.collections]
    return Expander(settings.expand, rows, wordings)
