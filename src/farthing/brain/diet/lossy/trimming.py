"""Rule `history`: earlier turns that the question does not refer to are left out, whole exchanges at a time. Pure.

What stays: the first exchange (what the conversation is about), the latest, every exchange with tools, media, code or a breakpoint, and of
the rest those that share the most with what is being asked, as far as the budget goes; what an exchange that stays for its words refers to
stands right before it more often than not, so the one before it counts a little too.
"""

from collections.abc import Callable, Sequence

from farthing.brain.diet.lossy.kept import Kept
from farthing.brain.diet.lossy.turns import Exchange
from farthing.brain.diet.lossy.worth import Pieces
from farthing.brain.reading.words import terms

_NOTE_TOKENS = 16  # what saying that something is gone may take
_AROUND = 0.3  # what a neighbour's score is worth
_LATELY = 0.35  # what the latest turns are worth beside the question itself
_RECENT = 0.02  # per share of the way to the end: decides between exchanges that nothing speaks for


def dropped(exchanges: Sequence[Exchange], *, keep_turns: int, budget_tokens: int, tokens: Callable[[str], int]) -> tuple[int, ...]:
    """Places of the exchanges to leave out, in order; none where all of them fit."""
    last = len(exchanges) - 1
    earlier = range(last)
    sizes = [tokens(one.text) for one in exchanges]
    if last < 2 or sum(sizes[place] for place in earlier) <= budget_tokens:
        return ()
    budget_tokens -= _NOTE_TOKENS
    free = [place for place in earlier if 0 < place < last - keep_turns and exchanges[place].plain and not Kept(exchanges[place].text).has_code]
    left = budget_tokens - sum(sizes[place] for place in earlier if place not in free)
    worth = _worth(exchanges, keep_turns)
    out: list[int] = []
    for place in sorted(free, key=lambda place: (-worth[place], -place)):
        if sizes[place] <= left:
            left -= sizes[place]
        else:
            out.append(place)
    return tuple(sorted(out))


def _worth(exchanges: Sequence[Exchange], keep_turns: int) -> list[float]:
    last = len(exchanges) - 1
    said = [terms(one.text) for one in exchanges]
    pieces = Pieces(said)
    own = pieces.scores(said[last])
    lately = pieces.scores([term for found in said[max(0, last - keep_turns) : last] for term in found])
    both = [mine + _LATELY * late for mine, late in zip(own, lately, strict=True)]
    after = [*both[1:], 0.0]
    return [mine + _AROUND * following + _RECENT * place / max(1, last) for place, (mine, following) in enumerate(zip(both, after, strict=True))]
