"""The parts of a prompt: system, examples, documents, history, and what the user asks now."""

from collections.abc import Sequence

import msgspec

from farthing.core.request import Turn
from farthing.lab.audit import reading
from farthing.lab.audit.facts import Part, Piece

MOST_PIECES = 96
LEAST_DOCUMENT = 80  # bytes
_SYSTEM = ("system", "developer")


class Layout(msgspec.Struct, frozen=True):
    """A prompt taken apart. `asked` is the last user turn without its documents and examples; `after`: turns follow it (an agent at work)."""

    system: str
    documents: tuple[str, ...]
    history: tuple[str, ...]
    asked: str
    last: str  # the whole last user turn
    shots: int
    sizes: tuple[int, int, int, int, int]
    after: bool


def lay_out(turns: Sequence[Turn]) -> Layout:
    """Tool results after the last user turn are documents; everything before that turn is history."""
    system = "\n".join(turn.text for turn in turns if turn.role in _SYSTEM)
    rest = [turn for turn in turns if turn.role not in _SYSTEM]
    at = next((place for place in range(len(rest) - 1, -1, -1) if rest[place].role == "user"), len(rest) - 1)
    last = rest[at].text if rest else ""
    after = rest[at + 1 :]
    above, below = _taken_out(system), _taken_out(last)
    told = tuple(turn.text for turn in after if turn.role == "tool")
    history = (*(turn.text for turn in rest[:at]), *(turn.text for turn in after if turn.role != "tool"))
    sizes = (
        reading.size_of(above.rest),
        above.shots_size + below.shots_size,
        above.documents_size + below.documents_size + sum(map(reading.size_of, told)),
        sum(map(reading.size_of, history)),
        reading.size_of(below.rest),
    )
    documents = (*above.documents, *below.documents, *told)
    return Layout(above.rest, documents, history, below.rest, last, above.shots + below.shots, sizes, bool(after))


class _Taken(msgspec.Struct, frozen=True):
    """A text without its documents and examples, and those."""

    rest: str
    documents: tuple[str, ...] = ()
    documents_size: int = 0  # with their marks
    shots: int = 0
    shots_size: int = 0


def _taken_out(text: str) -> _Taken:
    if len(text) < LEAST_DOCUMENT:
        return _Taken(text)
    passages = [passage for passage in reading.passages_of(text) if len(passage.text) >= LEAST_DOCUMENT]
    left, end = list[str](), 0
    for passage in passages:
        left.append(text[end : passage.start])
        end = passage.end
    bare = "".join([*left, text[end:]]) if passages else text
    count, start, stop = reading.examples_of(bare)
    rest = bare[:start] + bare[stop:] if count else bare
    return _Taken(
        rest,
        documents=tuple(passage.text for passage in passages),
        documents_size=sum(reading.size_of(text[passage.start : passage.end]) for passage in passages),
        shots=count,
        shots_size=reading.size_of(bare) - reading.size_of(rest),
    )


def pieces_of(layout: Layout, turns: Sequence[Turn]) -> tuple[Piece, ...]:
    """The prompt in order, as stretches that can be told apart from call to call."""
    found = [Piece(Part.SYSTEM, key, size) for key, size in reading.stretches_of(_first_system(turns))]
    found += [Piece(Part.HISTORY, reading.hash_of(text), reading.size_of(text)) for text in layout.history[: MOST_PIECES // 3]]
    found += [Piece(Part.DOCUMENTS, reading.hash_of(text), reading.size_of(text)) for text in layout.documents[: MOST_PIECES // 6]]
    found.append(Piece(Part.USER, reading.hash_of(layout.asked), reading.size_of(layout.asked)))
    return tuple(found)


def _first_system(turns: Sequence[Turn]) -> str:
    return turns[0].text if turns and turns[0].role in _SYSTEM else ""
