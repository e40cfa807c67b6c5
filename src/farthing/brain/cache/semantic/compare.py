"""What differs between two questions: numbers for the verifier, and the differences that alone forbid a shared answer.

Pure; about 40 us a pair. A veto names the difference in words that go into the decision's reason.
"""

from functools import lru_cache

from farthing.brain.cache.semantic import lexicon as words
from farthing.brain.cache.semantic.reading import Reading, weight

FEATURES = (
    "cosine",
    "content overlap",
    "first in second",
    "second in first",
    "only in first",
    "only in second",
    "replaced",
    "word overlap",
    "order of neighbours",
    "inversions",
    "spelling overlap",
    "length ratio",
    "length",
    "numbers differ",
    "negation differs",
    "dates differ",
    "opposites",
    "names differ",
    "roles differ",
    "question word differs",
    "quotations differ",
    "tense differs",
    "person differs",
    "likeness of the rest",
    "same words in another order",
    "prepositions differ",
    "replaced alone",
)


def _only(first: tuple[str, ...], second: tuple[str, ...]) -> list[str]:
    """Words of the first that the second lacks, or has less often."""
    if first == second:
        return []
    left = list(second)
    found: list[str] = []
    for word in first:
        if word in left:
            left.remove(word)
        else:
            found.append(word)
    return found


def opposed(only_first: list[str], only_second: list[str]) -> bool:
    """A word of the one is the opposite of a word of the other."""
    for one in only_first:
        others = words.OPPOSITE.get(one, frozenset[str]())
        for other in only_second:
            if other in others or _prefixed(one, other) or _prefixed(other, one) or _graded(one, other) or _graded(other, one):
                return True
    return False


def _prefixed(longer: str, shorter: str) -> bool:
    """unable/able, deactivate/activate, useless/useful."""
    if longer.endswith("less") and shorter.endswith("ful"):
        return longer[:-4] == shorter[:-3]
    if len(longer) <= len(shorter) or not longer.endswith(shorter[-3:]):
        return False
    return any(longer == prefix + shorter for prefix in words.OPPOSING_PREFIXES)


def _graded(more: str, plain: str) -> bool:
    """cheapest/cheap, larger/large."""
    return len(plain) > 3 and (more in (f"{plain}est", f"{plain}er") or (plain.endswith("e") and more in (f"{plain}st", f"{plain}r")))


def inversions(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """Share of pairs of common words that stand in another order."""
    place = {word: at for at, word in enumerate(second)}
    order = [place[word] for word in dict.fromkeys(first) if word in place]
    if len(order) < 2 or order == sorted(order):
        return 0.0
    wrong = sum(order[left] > order[right] for left in range(len(order)) for right in range(left + 1, len(order)))
    return wrong * 2 / (len(order) * (len(order) - 1))


def _reordered(first: Reading, second: Reading) -> bool:
    """The same words, and not in the same order; "a and b" for "b and a" is no difference."""
    if len(first.stems) != len(second.stems) or first.stems == second.stems or sorted(first.stems) != sorted(second.stems):
        return False
    return not any(_turned(first.stems, place) == second.stems for place, word in enumerate(first.words) if word in words.TOGETHER)


def _turned(stems: tuple[str, ...], place: int) -> tuple[str, ...]:
    """The words left and right of an "and" exchanged."""
    return (*stems[: place - 1], *stems[place + 1 : place + 2], stems[place], *stems[place - 1 : place], *stems[place + 2 :])


def _misplaced(first: Reading, second: Reading) -> bool:
    """Boston after "from" in the one and after "to" in the other."""
    if first.roles == second.roles:
        return False
    theirs: dict[str, set[str]] = {}
    for role, word in second.roles:
        theirs.setdefault(word, set()).add(role)
    return any(word in theirs and role not in theirs[word] for role, word in first.roles)


@lru_cache(maxsize=8192)
def _pairs(word: str) -> frozenset[str]:
    return frozenset(word[place : place + 2] for place in range(len(word) - 1))


def _alike(one: str, other: str) -> float:
    """Likeness of two words by their pairs of letters, 0 to 1."""
    first, second = _pairs(one), _pairs(other)
    return 2 * len(first & second) / max(1, len(first) + len(second))


def _likeness(only_first: list[str], only_second: list[str]) -> float:
    """How well the words of the one that the other lacks can be taken for misspelt or bent ones of the other."""
    if not only_first or not only_second:
        return 1.0 if only_first == only_second else 0.5
    few, many = sorted((only_first[:6], only_second[:6]), key=len)
    return sum(max(_alike(one, other) for other in many) for one in few) / len(few)


def _asked_otherwise(one: str, other: str) -> int:
    """2 where the one asks how much or how many and the other does not, 1 where the question words differ."""
    return 0 if one == other else 2 if " " in one + other else 1


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def features(first: Reading, second: Reading, cosine: float) -> list[float]:
    """In the order of `FEATURES`; the same whichever way round where that is meant."""
    one, other = first.content_set, second.content_set
    common = len(one & other)
    only_first, only_second = _only(first.content, second.content), _only(second.content, first.content)
    bare_first, bare_second = _only(first.words, second.words), _only(second.words, first.words)
    shared = weight(first.word_set & second.word_set)
    share = inversions(first.content, second.content)
    prepositions = words.PLACES_BETWEEN & {*bare_first, *bare_second}
    names = first.names ^ second.names
    return [
        cosine,
        _ratio(common, len(one | other)),
        _ratio(common, len(one)),
        _ratio(common, len(other)),
        min(len(only_first), 6),
        min(len(only_second), 6),
        min(len(only_first), len(only_second), 4),
        _ratio(shared, first.weight + second.weight - shared),
        _ratio(len(first.bigrams & second.bigrams), len(first.bigrams | second.bigrams)),
        share,
        2 * len(first.trigrams & second.trigrams) / max(1, len(first.trigrams) + len(second.trigrams)),
        min(len(first.words), len(second.words)) / max(1, len(first.words), len(second.words)),
        min(max(len(first.words), len(second.words)), 40),
        first.numbers != second.numbers,
        first.negations % 2 != second.negations % 2,
        first.dates != second.dates,
        opposed(bare_first, bare_second),
        len(names) - len(names & first.word_set & second.word_set),
        _misplaced(first, second) or _misplaced(second, first),
        _asked_otherwise(first.asking, second.asking),
        first.quoted != second.quoted,
        first.tense != second.tense,
        first.person != second.person,
        _likeness(only_first, only_second),
        _reordered(first, second),
        len(prepositions),
        len(only_first) == len(only_second) == 1,
    ]


def veto(first: Reading, second: Reading) -> str | None:
    """Why one answer must not serve both, or `None`. Holds in every namespace, whatever has been learned there."""
    if first.numbers != second.numbers:
        return "a number differs"
    if first.negations % 2 != second.negations % 2:
        return "one of them negates"
    if first.quoted != second.quoted:
        return "a quotation or identifier differs"
    return None
