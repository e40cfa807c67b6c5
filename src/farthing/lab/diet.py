"""What the diet would do to a prompt, rule by rule, and where the prompt itself could be written shorter.

The trims are the production rules on the same text. The advice is for a person to take or leave: shorter wording for phrases that say nothing,
instructions that stand twice, politeness. It is never applied by the gateway.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from farthing.brain.diet import DietLever, Trim
from farthing.brain.diet.base import Part
from farthing.brain.diet.lossy import LossyLever
from farthing.brain.diet.lossy.extract import extract
from farthing.brain.diet.repeats import Seen
from farthing.config import Diet, Lossy
from farthing.core.request import Dialect
from farthing.core.usage import PER_MILLION, Rate
from farthing.wire.patch import patch
from farthing.wire.peek import peek

CountTokens = Callable[[str], int]
_DEPTH, _MOST_MESSAGES = 64, 10_000

# Phrase -> shorter wording with the same meaning. Longest first, so that a part of a phrase does not win over it.
WORDY: tuple[tuple[str, str], ...] = (
    ("it is important to note that", ""),
    ("it is very important that you", ""),
    ("it is important that you", ""),
    ("please make sure that you", ""),
    ("please make sure to", ""),
    ("make sure that you", ""),
    ("please ensure that you", ""),
    ("please keep in mind that", ""),
    ("please note that", ""),
    ("you should always", "always"),
    ("you should never", "never"),
    ("you must always", "always"),
    ("you must never", "never"),
    ("under no circumstances should you", "never"),
    ("your task is to", ""),
    ("your job is to", ""),
    ("your goal is to", ""),
    ("i would like you to", ""),
    ("i want you to", ""),
    ("in order to", "to"),
    ("due to the fact that", "because"),
    ("in the event that", "if"),
    ("at this point in time", "now"),
    ("for the purpose of", "for"),
    ("with regard to", "about"),
    ("with respect to", "about"),
    ("a large number of", "many"),
    ("the majority of", "most"),
    ("as much as possible", ""),
    ("to the best of your ability", ""),
    ("in a clear and concise manner", "concisely"),
    ("clear and concise", "concise"),
    ("each and every", "every"),
    ("first and foremost", "first"),
    ("as an ai language model", ""),
    ("you are a helpful assistant", ""),
    ("take a deep breath", ""),
    ("thank you", ""),
    ("please", ""),
)


def _longest_first(pair: tuple[str, str]) -> int:
    return -len(pair[0])


_WORDY = re.compile("|".join(rf"(?<!\w){re.escape(phrase)}(?!\w),?" for phrase, _ in sorted(WORDY, key=_longest_first)), re.IGNORECASE)
_SHORTER = dict[str, str](WORDY)
_VOLATILE = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\{\{?\s*\w*(?:date|time|now|user|name|id|session|uuid)\w*\s*\}?\}"
    r"|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_WORD = re.compile(r"\w+")
_STOP_WORDS = (
    "a an the to of in on for and or is are be you your it that this with as by at not do does must should always never under no circumstances"
)
_STOP = frozenset(_STOP_WORDS.split())
_LEAST_WORDS = 3
_ALIKE = 0.75  # Jaccard overlap of content words


class Advice(msgspec.Struct, frozen=True):
    """One place where a prompt could be shorter."""

    line: int
    kind: str  # "wordy", "repeated" or "volatile"
    now: str
    instead: str  # "" where it can go
    saved_tokens: int


class Explained(msgspec.Struct, frozen=True):
    """A prompt before and after."""

    tokens_before: int
    tokens_after: int
    after: str
    trims: tuple[Trim, ...]
    advice: tuple[Advice, ...]


def explain(text: str, part: Part, config: Diet, count: CountTokens) -> Explained:
    """What the rules make of this text as that part of a prompt, and advice where it is a system prompt."""
    after, trims = DietLever(config).trim_text(text, part, Seen(), count)
    advice = tuple(lint(after, count)) if part == "system" else ()
    return Explained(count(text), count(after), after, tuple(trims), advice)


def explain_lossy(body: bytes, dialect: Dialect, config: Lossy, count: CountTokens) -> Explained:
    """What the lossy rules would leave out of a whole request. Raises `FarthingError` for a body that is none of that dialect."""
    peek(dialect, body, json_depth=_DEPTH, max_messages=_MOST_MESSAGES)
    cut = LossyLever(config).apply(dialect, body, count)
    after = patch(body, cut.fields)
    tokens = count(body.decode())
    return Explained(tokens, tokens - cut.saved_tokens, after.decode(), cut.trims, ())


def explain_document(text: str, question: str, config: Lossy, count: CountTokens) -> Explained:
    """What rule `extract` would leave of a document that a question is asked about."""
    tokens = count(text)
    after = extract([text], question, config.context_tokens, len(text) / max(1, tokens))[0]
    left = count(after)
    trims = (Trim("extract", "documents", text, after, tokens - left),) if after != text else ()
    return Explained(tokens, left, after, trims, ())


def dialect_of(text: str) -> Dialect | None:
    """Of a request body, as far as its fields tell; `None` for a text that is none."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except ValueError:
        return None
    if "messages" not in fields:
        return Dialect.RESPONSES if "input" in fields else None
    return Dialect.MESSAGES if "system" in fields else Dialect.CHAT


def only_advice(text: str, count: CountTokens) -> Explained:
    """The prompt as it is, with advice alone."""
    return Explained(count(text), count(text), text, (), tuple(lint(text, count)))


def lint(text: str, count: CountTokens) -> Iterator[Advice]:
    """Line by line: what changes with every request and stands before other things, shorter wording, sentences that say what an earlier one said."""
    earlier: list[tuple[int, frozenset[str]]] = []
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        if (found := _VOLATILE.search(line)) is not None and number < last:
            yield Advice(number, "volatile", found[0], "at the end of the prompt: what follows it cannot be kept in the provider's prompt cache", 0)
        shorter = _shortened(line)
        if shorter != line and (saved := count(line) - count(shorter)) > 0:
            yield Advice(number, "wordy", line.strip(), shorter.strip(), saved)
        for sentence in _SENTENCE.findall(line):
            words = frozenset(word for word in _WORD.findall(sentence.lower()) if word not in _STOP)
            if len(words) < _LEAST_WORDS:
                continue
            twin = next((at for at, other in earlier if len(words & other) >= _ALIKE * len(words | other)), None)
            if twin is None:
                earlier.append((number, words))
            else:
                yield Advice(number, "repeated", sentence.strip(), f"said in line {twin}", count(sentence))


def _shortened(line: str) -> str:
    def instead(match: "re.Match[str]") -> str:
        phrase = match[0].rstrip(",").lower()
        made = _SHORTER[phrase]
        return made.capitalize() if made and match[0][0].isupper() else made

    shorter = re.sub(r" +(?=[.!?,])|(?<= ) +", "", _WORDY.sub(instead, line))
    start = len(line) - len(line.lstrip())
    said = shorter.strip().lstrip(".!, ")
    return line[:start] + said[:1].upper() + said[1:] if said and line.strip()[:1].isupper() else line[:start] + said


def diff(trim: Trim) -> str:
    """What a rule changed, as a unified diff without its head."""
    lines = difflib.unified_diff(trim.before.splitlines(), trim.after.splitlines(), lineterm="", n=1)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def worth_usd(tokens: int, rate: Rate | None, requests: int) -> Decimal | None:
    """What so many input tokens cost in so many requests."""
    return None if rate is None else tokens * rate.input_usd_per_mtok * requests / PER_MILLION
