"""Replays of question streams with known answers: the production lane (`brain/cache/semantic`), a fixed threshold, and vCache's rule.

A replay is a shuffle of a stream. Every rule sees the same vectors in the same order. An answer is a number; a judge compares numbers and errs
as told. Vectors are made once by the shipped embedder and kept under `--scratch`; so are each question's nearest neighbours, because a search
through all keys at every step would take hours and find the same.
"""

import gzip
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from _harness import ROOT
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.judge import Judge
from farthing.brain.cache.semantic.namespace import ASKED, Namespace, Promise
from farthing.brain.cache.semantic.scorer import Prior
from farthing.brain.cache.semantic.verifier import Compared, Verifier

DATA = ROOT.parent / "shared" / "data" / "cache"
STREAMS = ("banking77", "clinc150", "text2sql", "hwu64_slots")
_KEPT_NEIGHBOURS = 256
_MOST_MEMO = 3_000_000


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()]


def embedded(name: str, texts: list[str], scratch: Path) -> dict[str, np.ndarray]:
    """Vectors by text, made once."""
    kept = scratch / f"vectors_{name}.npz"
    if not kept.exists():
        from farthing.models.embed import shipped

        distinct = sorted(set(texts))
        scratch.mkdir(parents=True, exist_ok=True)
        np.savez(kept, texts=np.array(distinct, dtype=object), vectors=shipped().embed_many(distinct).astype(np.float16))
    loaded = np.load(kept, allow_pickle=True)
    vectors = loaded["vectors"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(loaded["texts"].tolist(), vectors, strict=True))


@dataclass
class Stream:
    """Questions, answers as numbers, vectors, and the nearest of each in the whole stream."""

    name: str
    texts: list[str]
    answers: list[int]
    vectors: np.ndarray
    near: np.ndarray
    cosines: np.ndarray
    memo: dict[int, Compared] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, scratch: Path, split: str | None = None) -> "Stream":
        """The whole stream, or one split of it."""
        found = [row for row in rows(f"stream_{name}") if split in (None, row.get("split"))]
        texts = [row["q"] for row in found]
        by_text = embedded(f"stream_{name}", [row["q"] for row in rows(f"stream_{name}")], scratch)
        vectors = np.array([by_text[text] for text in texts])
        numbers = {answer: number for number, answer in enumerate(dict.fromkeys(row["a"] for row in found))}
        near, cosines = _neighbours(vectors, scratch / f"near_{name}_{len(texts)}.npz")
        return cls(name, texts, [numbers[row["a"]] for row in found], vectors, near, cosines)


def _neighbours(vectors: np.ndarray, kept: Path) -> tuple[np.ndarray, np.ndarray]:
    if kept.exists():
        loaded = np.load(kept)
        return loaded["near"], loaded["cosines"]
    count = min(_KEPT_NEIGHBOURS, len(vectors) - 1)
    near, cosines = np.zeros((len(vectors), count), np.int32), np.zeros((len(vectors), count), np.float32)
    for at in range(0, len(vectors), 1024):
        likeness = vectors[at : at + 1024] @ vectors.T
        likeness[np.arange(len(likeness)), np.arange(at, at + len(likeness))] = -2
        some = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(likeness, some, 1), axis=1)
        near[at : at + len(likeness)] = np.take_along_axis(some, order, 1)
        cosines[at : at + len(likeness)] = np.take_along_axis(likeness, near[at : at + len(likeness)], 1)
    np.savez(kept, near=near, cosines=cosines)
    return near, cosines


class Keys:
    """Which questions are keys, and the nearest of them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_key = np.zeros(len(stream.texts), bool)
        self.order: list[int] = []

    def add(self, question: int) -> None:
        self._is_key[question] = True
        self.order.append(question)

    def nearest(self, question: int, count: int) -> tuple[list[int], list[float]]:
        mask = self._is_key[self._stream.near[question]]
        found = self._stream.near[question][mask][:count]
        if len(found) < min(count, len(self.order)):
            everyone = np.array(self.order)
            likeness = self._stream.vectors[everyone] @ self._stream.vectors[question]
            best = np.argsort(-likeness)[:count]
            return everyone[best].tolist(), likeness[best].tolist()
        return found.tolist(), self._stream.cosines[question][mask][:count].tolist()


@dataclass
class Outcome:
    """What a replay came to."""

    requests: int = 0
    hits: int = 0
    wrong: int = 0
    labels_at_first_hit: int | None = None
    labels_above: int | None = None  # those that the first threshold in force rested on
    labels: int = 0
    judge_calls: int = 0
    judge_error: float = 0.0

    @property
    def hit_share(self) -> float:
        return self.hits / max(1, self.requests)

    @property
    def wrong_share(self) -> float:
        return self.wrong / max(1, self.hits)


def lane(
    stream: Stream,
    seed: int,
    *,
    max_wrong: float,
    prior: Prior,
    verifier: Verifier,
    judge_error: float = 0.0,
    repeats: bool = False,
    serves: bool = True,
    keep_rows: list[tuple[tuple[float, ...], bool]] | None = None,
    confidence: float = 0.8,
) -> Outcome:
    """The production lane. `repeats`: the judge's errors are the same whenever it is asked again."""
    chance = random.Random(seed)
    noise = random.Random(seed + 1000)
    space = Namespace(Promise(max_wrong, confidence), prior, coin=chance.random)
    judge, keys, outcome = Judge(), Keys(stream), Outcome()
    answer_of: dict[int, int] = {}
    order = np.random.default_rng(seed).permutation(len(stream.texts)).tolist()
    for question in order:
        outcome.requests += 1
        found, cosines = keys.nearest(question, NEIGHBOURS)
        look = space.look(found, cosines, _comparing(stream, question, verifier))
        truth = stream.answers[question]
        if look.serve and serves and look.candidate is not None:
            if outcome.hits == 0:
                outcome.labels_at_first_hit, outcome.labels_above = space.labels, space.certificate.labels
            outcome.hits += 1
            outcome.wrong += answer_of[look.candidate.group] != truth
            continue
        verdicts: list[tuple[int, bool]] = []
        for place, group in enumerate(look.candidate.others[:ASKED] if look.candidate else ()):
            same = answer_of[group] == truth
            if judge_error:
                fixed = random.Random(seed * 1_000_003 + question * 4_001 + group).random() < judge_error if repeats else None
                weighing = judge.weigh(min(0.98, max(0.02, look.probability)) if place == 0 else 0.1, chance.random())
                while weighing.wants_more:
                    weighing.hear(same != (noise.random() < judge_error if fixed is None else fixed))
                same = weighing.same
            else:
                judge.calls += 1
            verdicts.append((group, same))
            if same:
                break
        if keep_rows is not None and look.candidate is not None:
            keep_rows.append((look.candidate.row, verdicts[0][1]))
        group = space.learn(look, verdicts)
        answer_of.setdefault(group, truth)
        space.add_key(question, group)
        keys.add(question)
    outcome.labels, outcome.judge_calls, outcome.judge_error = space.labels, judge.calls, judge.error
    return outcome


def _comparing(stream: Stream, question: int, verifier: Verifier) -> Callable[[int, float], Compared]:
    def compare(key: int, cosine: float) -> Compared:
        pair = question * len(stream.texts) + key
        found = stream.memo.get(pair)
        if found is None:
            if len(stream.memo) > _MOST_MEMO:
                stream.memo.clear()
            found = stream.memo[pair] = verifier.compare(stream.texts[question], stream.texts[key], cosine)
        return found

    return compare


def fixed(stream: Stream, seed: int, threshold: float) -> Outcome:
    """Serve whatever is at least so near; what is not becomes a key."""
    keys, outcome = Keys(stream), Outcome()
    for question in np.random.default_rng(seed).permutation(len(stream.texts)).tolist():
        outcome.requests += 1
        found, cosines = keys.nearest(question, 1)
        if found and cosines[0] >= threshold:
            outcome.hits += 1
            outcome.wrong += stream.answers[found[0]] != stream.answers[question]
        else:
            keys.add(question)
    return outcome


_TAILS = np.linspace(0.01, 0.5, 25)
_QUANTILES = np.array([NormalDist().inv_cdf(1 - tail) for tail in _TAILS])


class _Entry:
    """vCache's record of one cached question: cosines at which a neighbour's answer was the same, or was not."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []
        self.fitted: tuple[float, float, float] | None = None

    def fit(self) -> tuple[float, float, float]:
        """Midpoint, slope and the midpoint's standard error of a logistic curve, after Newton's method with a little ridge."""
        if self.fitted is None:
            cosine = np.array([one for one, _ in self.seen])
            same = np.array([label for _, label in self.seen], float)
            design = np.column_stack([np.ones_like(cosine), cosine])
            weights = np.array([-20.0, 25.0])
            ridge = np.diag([1e-3, 1e-3])
            for _ in range(12):
                chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
                curve = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
                weights = weights + np.linalg.solve(curve, design.T @ (same - chance) - ridge @ (weights - [-20.0, 25.0]))
            chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
            spread = np.linalg.inv((design * (chance * (1 - chance))[:, None]).T @ design + ridge)
            slope = max(float(weights[1]), 1.0)
            middle = -float(weights[0]) / slope
            gradient = np.array([-1 / slope, float(weights[0]) / slope**2])
            self.fitted = middle, slope, math.sqrt(max(0.0, float(gradient @ spread @ gradient)))
        return self.fitted


def vcache(stream: Stream, seed: int, delta: float) -> Outcome:
    """The rule of vCache (Schroeder and others, 2025, arXiv 2502.03771) as remembered, not checked against its code:
    explore with the least probability that keeps
    the chance of a wrong answer under `delta` per request, by a logistic curve of every cached question and a bound on its midpoint."""
    chance = random.Random(seed)
    keys, outcome, entries = Keys(stream), Outcome(), dict[int, _Entry]()
    for question in np.random.default_rng(seed).permutation(len(stream.texts)).tolist():
        outcome.requests += 1
        found, cosines = keys.nearest(question, 1)
        if not found:
            keys.add(question)
            entries[question] = _Entry()
            continue
        entry, cosine = entries[found[0]], cosines[0]
        same = stream.answers[found[0]] == stream.answers[question]
        if chance.random() > _explore(entry, cosine, delta):
            outcome.hits += 1
            outcome.wrong += not same
            continue
        outcome.labels += 1
        entry.seen.append((cosine, int(same)))
        entry.fitted = None
        if not same:
            keys.add(question)
            entries[question] = _Entry()
    return outcome


def _explore(entry: _Entry, cosine: float, delta: float) -> float:
    if len(entry.seen) < 6:
        return 1.0
    middle, slope, error = entry.fit()
    likely = (1 - _TAILS) / (1 + np.exp(-np.clip(slope * (cosine - middle - _QUANTILES * error), -30, 30)))
    return float(np.min(((1 - delta) - likely) / (1 - likely + 1e-9)))
