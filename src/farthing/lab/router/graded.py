"""Graded prompts: what was asked, and how well each model answered. The noun that training, evaluation and promises share."""

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import Floats
from farthing.core.errors import FarthingError
from farthing.core.request import Turn

FEWEST = 100
_BETWEEN = re.compile(r"[\W_]+")


class GradesUnusable(FarthingError):
    """The graded prompts cannot train or judge a router; the message says what is needed."""

    code = "grades_unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """Rows of prompts; columns of models. A score is in 0..1, `nan` where nobody graded; a cost in USD, `nan` where unknown."""

    ids: tuple[str, ...]
    prompts: tuple[tuple[Turn, ...], ...]
    groups: tuple[str, ...]  # task or subject: what is held out together
    endpoints: tuple[str, ...]
    models: tuple[str, ...]
    scores: Floats
    costs: Floats
    answers: dict[str, tuple[str | None, ...]] = field(default_factory=dict[str, tuple[str | None, ...]])
    embeddings: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Graded":
        """Some of the rows, in the order of the indices."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Graded(
            ids=tuple(self.ids[i] for i in at),
            prompts=tuple(self.prompts[i] for i in at),
            groups=tuple(self.groups[i] for i in at),
            endpoints=tuple(self.endpoints[i] for i in at),
            models=self.models,
            scores=self.scores[at],
            costs=self.costs[at],
            answers={model: tuple(texts[i] for i in at) for model, texts in self.answers.items()},
            embeddings=None if self.embeddings is None else self.embeddings[at],
        )

    def column(self, model: str) -> int:
        """Raises `GradesUnusable` with the models that there are."""
        if model not in self.models:
            raise GradesUnusable(f"No answers of '{model}' are graded. Graded models: {', '.join(self.models)}.")
        return self.models.index(model)


def fingerprint(prompt: tuple[Turn, ...]) -> str:
    """Equal for prompts that differ in case, spaces and punctuation only."""
    text = "\x1e".join(f"{turn.role}\x1f{_BETWEEN.sub(' ', turn.text.lower()).strip()}" for turn in prompt)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def for_pair(graded: Graded, models: tuple[str, ...]) -> tuple[Graded, list[str]]:
    """The rows where all of these models are graded, their columns in this order; and what was left out, in words. Raises `GradesUnusable`."""
    columns = [graded.column(model) for model in models]
    notes: list[str] = []
    scores: Floats = graded.scores[:, columns]
    whole: npt.NDArray[np.bool_] = np.asarray(~np.isnan(scores).any(axis=1))
    if not whole.all():
        notes.append(f"{int((~whole).sum())} of {len(graded)} prompts left out: not graded for all of {', '.join(models)}")
    if np.isinf(scores[whole]).any() or (scores[whole] < 0).any() or (scores[whole] > 1).any():
        raise GradesUnusable("Scores must lie between 0 (wrong) and 1 (right). Scale them, such as (rating - 1) / 9 for ratings from 1 to 10.")
    kept = Graded(
        ids=graded.ids, prompts=graded.prompts, groups=graded.groups, endpoints=graded.endpoints, models=models,
        scores=scores, costs=graded.costs[:, columns], answers=graded.answers, embeddings=graded.embeddings,
    ).take(whole)  # fmt: skip
    return once_each(kept, notes), notes


def once_each(graded: Graded, notes: list[str]) -> Graded:
    """Each prompt once per endpoint, its repeated grades averaged; a prompt that counts twice would make promises look surer than they are."""
    first: dict[tuple[str, str], int] = {}
    keys = [(fingerprint(prompt), endpoint) for prompt, endpoint in zip(graded.prompts, graded.endpoints, strict=True)]
    owner = [first.setdefault(key, at) for at, key in enumerate(keys)]
    if len(first) == len(graded):
        return graded
    notes.append(f"{len(graded) - len(first)} of {len(graded)} prompts are repeats: their scores were averaged")
    owners, inverse, counts = np.unique(np.array(owner), return_inverse=True, return_counts=True)
    sums = np.zeros((len(owners), graded.scores.shape[1]))
    np.add.at(sums, inverse, graded.scores)
    kept = graded.take(owners)
    kept.scores[:] = sums / counts[:, None]
    return kept


def require_enough(graded: Graded) -> None:
    """Raises `GradesUnusable` for what no router can be trained on. The first two columns are the cheap and the expensive model."""
    if len(graded) < FEWEST:
        text = f"{len(graded)} graded prompts are too few to train a router"
        raise GradesUnusable(f"{text}; at least {FEWEST} are needed, and about 1,000 for a promise that saves.")
    gap = graded.scores[:, 1] - graded.scores[:, 0]
    if gap.min() == gap.max():
        text = f"'{graded.models[0]}' and '{graded.models[1]}' score alike on every prompt" if not gap.any() else "Every prompt has the same grades"
        raise GradesUnusable(f"{text}, so there is nothing to learn. Grade prompts that the cheap model gets right and prompts that it gets wrong.")
