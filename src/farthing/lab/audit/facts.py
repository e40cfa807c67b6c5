"""What the audit keeps of one call: numbers, hashes and short excerpts; never the text.

Characters are UTF-8 bytes, so that a quarter of them estimates tokens in any script.
"""

from enum import IntEnum

import msgspec


class Part(IntEnum):
    """Of what a call's cost is made: the parts of its prompt, and its output."""

    SYSTEM = 0
    SHOTS = 1  # examples, written into the prompt
    DOCUMENTS = 2
    HISTORY = 3
    USER = 4
    OUTPUT = 5


PROMPT = (Part.SYSTEM, Part.SHOTS, Part.DOCUMENTS, Part.HISTORY, Part.USER)


class Piece(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A stretch of the prompt: a sentence of the system prompt, a paragraph or turn of the rest."""

    part: int
    hash: int
    size: int


class Range(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A size that is estimated: surely this much, probably, at most."""

    low: int = 0
    point: int = 0
    high: int = 0


NONE = Range()


class Facts(msgspec.Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """One call. `None` is unknown."""

    source: str
    endpoint: str
    model: str | None
    provider: str | None
    at: float | None
    latency_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cached: int | None
    written: int | None
    reasoning: int
    estimated: bool  # tokens are counted from the text, because the log does not say
    cost_picousd: int | None  # as the log says
    failed: bool
    reused: bool  # a gateway's cache answered
    stream: bool
    embeds: bool
    run: int | None
    actor: int | None  # user or session
    key: int | None  # of the whole request; None without text
    scope: int  # everything but the last user text
    system: int  # of the system prompt
    temperature: float | None
    limit: int | None  # output limit; None: the log does not hold the request, 0: the request set none
    has_tools: bool
    tools: tuple[str, ...]  # called by the answer
    sizes: tuple[int, int, int, int, int]  # by part of the prompt
    pieces: tuple[Piece, ...]  # of the prompt, in order
    shots: int  # examples written into the prompt
    filler: int  # of the system prompt: boilerplate and repetitions
    repeated: tuple[int, int, int]  # sent twice within the prompt: documents, history, user
    unused: Range  # of the documents
    unreferred: Range  # of the history
    judged: bool  # documents could be held against an answer
    easy: str | None  # shipped routing rule that would send it to the cheap tier
    plain: bool  # easy by task and wording as well
    label: str | None  # the answer, where it is a few words
    figures: tuple[int, int]  # hashes of the numbers in the last user text and in the answer
    vector: bytes | None  # of the last user text
    answer_vector: bytes | None
    gist: str  # beginning of the last user text
    shown: tuple[str, str, str, str]  # excerpts: of what is repeated, an unused document, an unreferred turn, boilerplate
