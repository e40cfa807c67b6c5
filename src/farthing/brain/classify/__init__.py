"""Classify: what kind of request is this? Signals for the levers; not a lever itself.

Guarantees: rules and word lists only, no model call, no input or output; what the caller says (task type, domain, language) wins; every turn of
a user is read, long texts at their head and tail. A wrong guess costs money or quality of one answer, never correctness of the gateway.
Costs: 30 us on a 1.5 KB support conversation, 75 us on English and 210 us on Chinese at any length (bench/classify.py, which also prints how
the task types agree with labelled sets). Word lists speak English, some German, French and Spanish; other languages count as medium risk.
Off: name the model, or switch the lever that reads the signals off.
"""

from functools import lru_cache

from farthing.brain.classify.complexity import complexity_of
from farthing.brain.classify.features import EVERYTHING, SUBJECTS, Reading, Scores, window
from farthing.brain.classify.language import language_of
from farthing.brain.classify.sizes import input_tokens, query_tokens
from farthing.brain.classify.task import task_of
from farthing.brain.classify.words import DOMAINS
from farthing.brain.ports import Tokens
from farthing.core.alias import is_alias
from farthing.core.exchange import Risk, Signals
from farthing.core.request import Inbound, Peek

__all__ = ["Reading", "classify", "read"]


_EARLIER_CHARS = 4000
_HIGH_RISK = 4
_SOME_RISK = 2
_SURE_OF_DOMAIN = 3
_NEEDS_DOCUMENTS = 3
_LISTED_LANGUAGES = frozenset({"en", "de", "fr", "es"})
_DOMAINS = frozenset(feature for feature, _, _ in DOMAINS)


def read(inbound: Inbound) -> Reading:
    """What is asked, ready to be classified; others may want its words."""
    return Reading(window(inbound.peek.last_user_text))


def classify(inbound: Inbound, tokens: Tokens, reading: Reading | None = None) -> Signals:
    """Read the signals off a request. Earlier turns are read where a route depends on it; a named model is kept anyway."""
    peek = inbound.peek
    reading = reading or read(inbound)
    asked = reading.asked
    scores = reading.score(EVERYTHING)
    background = _background(window(peek.system_text)) if peek.turns and peek.turns[0].role != "user" else {}
    earlier = Reading(_earlier(peek)).score(SUBJECTS) if len(peek.turns) > 2 and is_alias(peek.model) else {}
    task, confidence = (inbound.task_type, 1.0) if inbound.task_type else task_of(asked, reading, scores, background, peek)
    language = inbound.language or language_of(asked, scores)
    asked_tokens = query_tokens(peek.last_user_text, peek.model, tokens)
    return Signals(
        task=task,
        complexity=complexity_of(asked, scores, task, asked_tokens, peek),
        risk=_risk(scores, earlier, asked, language),
        needs_documents=max(scores.get("documents", 0), earlier.get("documents", 0)) >= _NEEDS_DOCUMENTS,
        language=language,
        query_tokens=asked_tokens,
        input_tokens=input_tokens(peek, tokens),
        domain=inbound.domain or _domain(scores, earlier),
        confidence=confidence,
    )


@lru_cache(maxsize=256)
def _background(system: str) -> Scores:
    """Scores of a system prompt: few of them serve many requests. Read only."""
    return Reading(system).score(EVERYTHING)


def _earlier(peek: Peek) -> str:
    """The user's turns before the last, newest first, as far as the window goes."""
    parts: list[str] = []
    left = _EARLIER_CHARS
    last = True
    for turn in reversed(peek.turns):
        if turn.role != "user":
            continue
        if last:
            last = False
            continue
        part = window(turn.text)[:left]
        parts.append(part)
        left -= len(part)
        if left <= 0:
            break
    return "\n".join(parts)


def _risk(scores: Scores, earlier: Scores, asked: str, language: str | None) -> Risk:
    """Personal data and languages that the lists do not speak count as some risk: nobody has looked."""
    points = scores.get("risk", 0) + earlier.get("risk", 0)
    if points >= _HIGH_RISK:
        return "high"
    unread = language is not None and language not in _LISTED_LANGUAGES
    return "medium" if points >= _SOME_RISK or unread or "@" in asked else "low"


def _domain(scores: Scores, earlier: Scores) -> str | None:
    """The domain with most weight in the last turn, half as much in those before."""
    best, found = _SURE_OF_DOMAIN * 2 - 1, None
    for feature in sorted(_DOMAINS.intersection((*scores, *earlier))):
        points = scores.get(feature, 0) * 2 + earlier.get(feature, 0)
        if points > best:
            best, found = points, feature[7:]
    return found
