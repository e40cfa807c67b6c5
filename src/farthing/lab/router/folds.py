"""Folds that do not leak: the same prompt, up to case and punctuation, never stands on both sides."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.core.errors import FarthingError
from farthing.lab.router.graded import Graded, fingerprint

Folds = npt.NDArray[np.int64]


class Leak(FarthingError):
    """The same prompt stands in training and in test."""

    code = "leak"


def random_folds(graded: Graded, count: int, seed: int) -> Folds:
    """The fold of each prompt."""
    return _deal([fingerprint(prompt) for prompt in graded.prompts], count, seed)


def group_folds(graded: Graded, count: int, seed: int) -> Folds:
    """Whole groups (subjects, tasks) to a fold; prompts that two groups share keep those groups together."""
    parent = {group: group for group in graded.groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    seen: dict[str, str] = {}
    for prompt, group in zip(graded.prompts, graded.groups, strict=True):
        other = seen.setdefault(fingerprint(prompt), group)
        parent[root(group)] = root(other)
    return _deal([root(group) for group in graded.groups], count, seed)


def _deal(names: Sequence[str], count: int, seed: int) -> Folds:
    unique, inverse = np.unique(np.array(names), return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(unique)) % count)[inverse].astype(np.int64)


def guard(train: Graded, test: Graded) -> None:
    """Raises `Leak` with an example when a prompt stands in both."""
    known = {fingerprint(prompt): name for name, prompt in zip(train.ids, train.prompts, strict=True)}
    for name, prompt in zip(test.ids, test.prompts, strict=True):
        if (twin := known.get(fingerprint(prompt))) is not None:
            raise Leak(f"Prompt '{name}' of the test set is '{twin}' of the training set. Split by prompt: `folds.random_folds` does.")
