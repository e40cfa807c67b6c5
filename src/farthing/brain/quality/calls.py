"""Answers that want tools run, compared without running any. Pure.

Two answers to one request are alike as far as they want the same tools with the same arguments. A model at work does not always want the same twice,
so an answer that differs from the reference's is no evidence yet: the reference is asked a second time, and both are held against what it says then.
Where nothing was lost, answer and reference are as likely as each other to be the one that agrees, so the mean difference is zero however moody the
model; where something was, the reference agrees with itself more often.
"""

from typing import Any, cast

import msgspec

from farthing.brain.quality.judging import TIE, Verdict
from farthing.core.conversation import Answer, ToolCall

_NAME = 0.5  # of a call's likeness; the rest is the share of its arguments that are equal


class Said(msgspec.Struct, frozen=True):
    """What counts of an answer."""

    text: str
    calls: tuple[ToolCall, ...] = ()

    @classmethod
    def of(cls, answer: Answer) -> "Said":
        return cls(answer.text, answer.tool_calls)


def same(one: Said, other: Said) -> Verdict | None:
    """A tie where they want the very same, in whatever order; `None`: the reference must be asked again."""
    return TIE if one.calls and alike(one, other) == 1.0 else None


def vote(tested: Said, reference: Said, again: Said) -> Verdict:
    """`again` is what the reference's model says when it is asked a second time."""
    score, reference_score = alike(tested, again), alike(reference, again)
    label = "call_tie" if score == reference_score else "call_win" if score > reference_score else "call_loss"
    return Verdict(score, reference_score, label)


def alike(one: Said, other: Said) -> float:
    """From 0 to 1. Words count as words, whatever they say; a call and no call have nothing in common."""
    if not one.calls and not other.calls:
        return 1.0
    left = list(other.calls)
    shared = 0.0
    for call in one.calls:
        likeness = [_call(call, candidate) for candidate in left]
        if likeness and (best := max(likeness)) > 0:
            shared += best
            left.pop(likeness.index(best))
    return shared / max(len(one.calls), len(other.calls))


def _call(one: ToolCall, other: ToolCall) -> float:
    if one.name != other.name:
        return 0.0
    return _NAME + (1 - _NAME) * _arguments(_read(one.arguments), _read(other.arguments))


def _arguments(one: Any, other: Any) -> float:
    """Share of the arguments that are there on both sides with equal values."""
    if one == other:
        return 1.0
    if not isinstance(one, dict) or not isinstance(other, dict):
        return 0.0
    left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
    names = left.keys() | right.keys()
    return sum(name in left and name in right and left[name] == right[name] for name in names) / len(names)


def _read(arguments: str) -> Any:
    """As JSON, where it is; no arguments are an empty object."""
    try:
        return msgspec.json.decode(arguments) if arguments.strip() else {}
    except msgspec.MsgspecError:
        return arguments
