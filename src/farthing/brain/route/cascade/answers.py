"""Reading a cheap answer: what in its text says that it may be wrong, and whether two cheap answers agree.

No model call. Costs: about 60 us on an answer of 900 characters (bench/route.py).
"""

import re
from collections.abc import Sequence
from math import log1p
from typing import Any

import msgspec

VERSION = 1

_HEDGES = ("not sure", "i think", "might", "perhaps", "possibly", "unclear", "cannot determine", "not enough information", "approximately", "likely")
_REFUSALS = ("i cannot", "i can't", "i'm sorry", "i am sorry", "as an ai", "unable to", "i don't have access", "i won't", "not able to")
_REPAIRS = ("wait", "however", "actually", "let me re", "mistake", "incorrect", "re-evaluate", "recheck", "none of the", "does not match")
_SUMS = ("=", "+", "*", "/", "\\frac", "therefore", "step", "thus", " so ")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_SAID = re.compile(r"answer\W{0,4}(?:is|:|=)\W{0,3}(?=([^\n]{1,80}))", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_OPTION = re.compile(r"^\(?([A-Z])(?:\)|[.:](?:\s|$)|$)")
_LAST_OPTION = re.compile(r".*\(([A-Z])\)", re.DOTALL)
_LATEX = re.compile(r"\\(?:left|right|text|mathrm|mbox|[,;!\[\]()])|[$\s]")
_KEYS = ("answer", "final_answer", "output", "result", "label", "category", "value", "choice")
_SHORT_CHARS = 60

NAMES: tuple[str, ...] = (
    *("log_chars", "log_words", "unique_words", "numbers", "sentences", "hedges", "refusals", "repairs", "sums", "found_how", "final_chars"),
    *("final_is_number", "final_log_size", "final_is_whole", "final_in_prompt", "repeats", "cut", "format_failed", "length_ratio", "final_in_text"),
    *("mean_logprob", "least_logprob", "logprobs_given"),
)


class Read(msgspec.Struct, frozen=True, gc=False):
    """A cheap answer as the accept rule sees it."""

    text: str
    complete: bool = True  # it ended by itself
    format_ok: bool = True  # it is of the form that was asked for
    logprobs: Sequence[float] | None = None  # of its tokens, where the service gave them


def final_answer(text: str) -> tuple[str, int]:
    """What an answer comes down to, normalised, and how it was found: 0 a field, 1 a box, 2 said so, 3 short, 4 last number, 5 not at all."""
    stripped = text.strip()
    field = _field(stripped)
    if field is not None:
        return _normal(field), 0
    boxed = _BOXED.findall(stripped)
    if boxed:
        return _normal(boxed[-1]), 1
    said = _SAID.findall(stripped)
    if said:
        return _normal(said[-1]), 2
    if len(stripped) <= _SHORT_CHARS:
        return _normal(stripped), 3
    numbers = _NUMBER.findall(stripped)
    return (_normal(numbers[-1]), 4) if numbers else ("", 5)


def _field(text: str) -> str | None:
    """The answer of a JSON object; of a broken one, what its text says."""
    start = text.find("{")
    if start < 0 or '"' not in text:
        return None
    try:
        found = msgspec.json.decode(text[start : text.rfind("}") + 1], type=dict[str, Any])
        return next((str(found[key]) for key in _KEYS if key in found), None)
    except msgspec.DecodeError:
        for key in _KEYS:
            match = re.search(rf'"{key}"\s*:\s*"?((?:[^"\\\n]|\\.)*)', text)
            if match:
                return match[1].rstrip('",} ')
    return None


def _normal(text: str) -> str:
    """Case, spaces, thousands, currency and trailing marks do not tell answers apart; an option letter stands for its option."""
    plain = text.strip().strip("*`'\" .")
    option = _OPTION.match(plain) or (_LAST_OPTION.match(plain) if len(plain) > _SHORT_CHARS // 2 else None)
    if option:
        return option[1].lower()
    plain = _LATEX.sub("", plain.lower()).replace("dfrac", "frac").replace("tfrac", "frac")
    numbers = _NUMBER.findall(plain)
    if len(numbers) == 1 and len(plain) - len(numbers[0]) <= 12:
        number = numbers[0].replace(",", "")
        return number.rstrip("0").rstrip(".") if "." in number else number
    return re.sub(r"\s+", "", plain)


def features(prompt: str, answer: Read) -> list[float]:
    """One row, in the order of `NAMES`."""
    text = answer.text
    lower, words = text.lower(), text.split()
    final, how = final_answer(text)
    number = _NUMBER.fullmatch(final) is not None
    sentences = [part for part in re.split(r"[.\n]", lower) if len(part) > 20]
    logprobs = answer.logprobs or ()
    return [
        log1p(len(text)),
        log1p(len(words)),
        len(set(words)) / max(1, len(words)),
        log1p(sum([word[:1].isdigit() for word in words])),
        log1p(len(sentences)),
        float(sum([mark in lower for mark in _HEDGES])),
        float(sum([mark in lower for mark in _REFUSALS])),
        float(sum([lower.count(mark) for mark in _REPAIRS])),
        log1p(sum([lower.count(mark) for mark in _SUMS])),
        float(how),
        log1p(len(final)),
        float(number),
        log1p(abs(float(final.replace(",", "")))) if number else -1.0,
        float(number and "." not in final),
        float(bool(final) and final in prompt.lower()),
        1.0 - len(set(sentences)) / max(1, len(sentences)),
        float(not answer.complete),
        float(not answer.format_ok),
        log1p(len(text)) - log1p(len(prompt)),
        float(lower.count(final)) if final else 0.0,
        sum(logprobs) / len(logprobs) if logprobs else 0.0,
        min(logprobs) if logprobs else 0.0,
        float(bool(logprobs)),
    ]


AGREEMENT_NAMES: tuple[str, ...] = ("agree", "both_found", "shared_words", "length_gap", "same_kind")


def agreement(one: str, other: str) -> list[float]:
    """How far two answers to the same prompt say the same, in the order of `AGREEMENT_NAMES`."""
    (left, how), (right, otherwise) = final_answer(one), final_answer(other)
    words, others = set(one.lower().split()), set(other.lower().split())
    union = len(words | others)
    return [
        float(bool(left) and left == right),
        float(bool(left) and bool(right)),
        len(words & others) / union if union else 1.0,
        abs(log1p(len(one)) - log1p(len(other))),
        float(how == otherwise),
    ]
