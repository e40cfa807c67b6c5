"""Graded prompts as rows of numbers, by the very functions that the gateway calls."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.brain.classify import classify
from farthing.brain.ports import Tokens
from farthing.brain.route.cascade import answers as cheap_answers
from farthing.brain.route.learned import features
from farthing.brain.route.learned.base import Floats
from farthing.core.alias import AUTO
from farthing.core.exchange import Signals
from farthing.core.request import Dialect, Inbound, Peek, Principal, Turn
from farthing.lab.router.graded import Graded

_NOBODY = Principal(None, "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """One row per prompt. `answers` and `agreements` are there where the cheap answers' texts are."""

    surface: Floats
    embeddings: npt.NDArray[np.float32] | None
    labels: Floats  # prompts x models
    answers: Floats | None = None
    agreements: Floats | None = None
    languages: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Matrix":
        return Matrix(
            surface=self.surface[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
            labels=self.labels[rows],
            answers=None if self.answers is None else self.answers[rows],
            agreements=None if self.agreements is None else self.agreements[rows],
        )


def signals_of(prompt: tuple[Turn, ...], tokens: Tokens) -> Signals:
    """What the gateway would read off this prompt, sent as a chat completion."""
    size = sum(len(turn.text.encode("utf-8", "replace")) for turn in prompt)
    peek = Peek(AUTO, prompt, text_bytes=size)
    return classify(Inbound("", Dialect.CHAT, b"", peek, _NOBODY, 0.0, 0.0), tokens)


def matrix(graded: Graded, tokens: Tokens, *, cheap: str, second: str | None = None) -> Matrix:
    """All rows. Answers are read only where every prompt has one."""
    signals = [signals_of(prompt, tokens) for prompt in graded.prompts]
    surface = np.array([features.features(prompt, found) for prompt, found in zip(graded.prompts, signals, strict=True)])
    first = graded.answers.get(cheap)
    read = other = None
    if first is not None and None not in first:
        asked = [prompt[-1].text if prompt else "" for prompt in graded.prompts]
        read = _read(asked, first)
        texts = graded.answers.get(second) if second else None
        if texts is not None and None not in texts:
            agreeing = [cheap_answers.agreement(one or "", two or "") for one, two in zip(first, texts, strict=True)]
            other = np.concatenate([np.array(agreeing), _read(asked, texts)], axis=1)
    return Matrix(
        surface=surface,
        embeddings=graded.embeddings,
        labels=graded.scores,
        answers=read,
        agreements=other,
        languages=tuple(found.language for found in signals),
    )


def _read(asked: list[str], texts: tuple[str | None, ...]) -> Floats:
    return np.array([cheap_answers.features(prompt, cheap_answers.Read(text or "")) for prompt, text in zip(asked, texts, strict=True)])
