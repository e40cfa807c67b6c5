"""Replays of question streams with known answers: the production lane (`brain/cache/semantic`), a fixed threshold, and vCache's rule.

A replay is a shuffle of a stream. Every rule sees the same vectors in the same order. An answer is a number; a judge compares numbers and errs
as told. Vectors are made once by the shipped embedder and kept under `--scratch`; so are each question's nearest neighbours, because a search
through all keys at every step would take hours and find the same.
"""

import gzip
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from _cache_parts import PARTS, unread
from _harness import ROOT
from _vcache import Curve
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.judge import Judge
from farthing.brain.cache.semantic.later import AT_ONCE
from farthing.brain.cache.semantic.namespace import ASKED, Look, Namespace, Promise
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, Prior
from farthing.brain.cache.semantic.verifier import SHIPPED, Compared, Verifier

DATA = ROOT.parent / "shared" / "data" / "cache"
STREAMS = ("banking77", "clinc150", "text2sql", "hwu64_slots")
SEMANTIC = ROOT / "src/farthing/brain/cache/semantic"
_KEPT_NEIGHBOURS = 256
_FEW = 4
_MOST_MEMO = 3_000_000


class Replays:
    """Outcomes by what was asked for, kept: a benchmark that was interrupted goes on, as long as vectors and code are the same."""

    def __init__(self, stream: "Stream", scratch: Path) -> None:
        parts = [file.read_bytes() for file in (*sorted(SEMANTIC.glob("*.py")), SHIPPED, SHIPPED_PRIOR, Path(__file__))]
        made_with = blake2b(b"".join([*parts, stream.vectors.tobytes()]), digest_size=8).hexdigest()
        self._kept = scratch / f"outcomes_{stream.name}_{len(stream.texts)}_{made_with}.json"
        self._known = msgspec.json.decode(self._kept.read_bytes(), type=dict[str, Outcome]) if self._kept.exists() else {}

    def of(self, asked: str, replay: "Callable[[], Outcome]") -> "Outcome":
        if asked not in self._known:
            self._known[asked] = replay()
            aside = self._kept.with_suffix(".new")
            aside.write_bytes(msgspec.json.encode(self._known))
            aside.replace(self._kept)
        return self._known[asked]


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
    kept: Path | None = None  # where the memo outlives the process
    replays: "Replays | None" = None

    @classmethod
    def load(cls, name: str, scratch: Path, split: str | None = None) -> "Stream":
        """The whole stream, or one split of it."""
        found = [row for row in rows(f"stream_{name}") if split in (None, row.get("split"))]
        texts = [row["q"] for row in found]
        by_text = embedded(f"stream_{name}", [row["q"] for row in rows(f"stream_{name}")], scratch)
        vectors = np.array([by_text[text] for text in texts])
        numbers = {answer: number for number, answer in enumerate(dict.fromkeys(row["a"] for row in found))}
        near, cosines = _neighbours(vectors, scratch / f"near_{name}_{len(texts)}.npz")
        kept = scratch / f"compared_{name}_{len(texts)}_{_fingerprint(vectors)}.msgpack"
        memo = msgspec.msgpack.decode(kept.read_bytes(), type=dict[int, Compared]) if kept.exists() else {}
        stream = cls(name, texts, [numbers[row["a"]] for row in found], vectors, near, cosines, memo, kept)
        stream.replays = Replays(stream, scratch)
        return stream

    def keep(self) -> None:
        """Comparing two questions costs more than all the rest of a replay: write down what was compared."""
        if self.kept is not None:
            aside = self.kept.with_suffix(".new")
            aside.write_bytes(msgspec.msgpack.encode(self.memo))
            aside.replace(self.kept)


def _fingerprint(vectors: np.ndarray) -> str:
    """Changes with the verifier, and with the cosines that it looks at."""
    rooms = [SHIPPED, *(SEMANTIC / f"{name}.py" for name in ("verifier", "compare", "reading", "lexicon"))]
    return blake2b(b"".join([*(room.read_bytes() for room in rooms), vectors.tobytes()]), digest_size=6).hexdigest()


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
    """Which questions are keys, and the nearest of them: read off the kept neighbours, or compared with all keys where those do not suffice."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_key = np.zeros(len(stream.texts), bool)
        self._order: list[int] = []
        self._rows = np.zeros((1024, stream.vectors.shape[1]), np.float32)

    def add(self, question: int) -> None:
        self._is_key[question] = True
        if len(self._order) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._order)] = self._stream.vectors[question]
        self._order.append(question)

    def nearest(self, question: int, count: int) -> tuple[list[int], list[float]]:
        near = self._stream.near[question]
        for some in (near[: _FEW * count], near):
            places = np.flatnonzero(self._is_key[some])[:count]
            if len(places) == count:
                return some[places].tolist(), self._stream.cosines[question][places].tolist()
        if len(places) == len(self._order):
            return near[places].tolist(), self._stream.cosines[question][places].tolist()
        likeness = self._rows[: len(self._order)] @ self._stream.vectors[question]
        best = np.argsort(-likeness)[:count]
        return [self._order[place] for place in best], likeness[best].tolist()


@dataclass
class Outcome:
    """What a replay came to."""

    requests: int = 0
    hits: int = 0
    wrong: int = 0
    labels_at_first_hit: int | None = None
    labels_above: int | None = None  # those that the first threshold in force rested on
    calls_at_first_hit: int | None = None
    requests_at_first_hit: int | None = None
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
    told: Callable[[Look, bool], None] | None = None,
    confidence: float = 0.8,
    without: str = "",
) -> Outcome:
    """The production lane. `repeats`: the judge's errors are the same whenever it is asked again. `told` hears of every look that has a
    candidate, and whether that was right; `without` one of the lane's parts (`_cache_parts.py`)."""
    chance = random.Random(seed)
    noise = random.Random(seed + 1000)
    space = PARTS.get(without, Namespace)(Promise(max_wrong, confidence), prior, coin=chance.random)
    judge, keys, outcome = Judge(), Keys(stream), Outcome()
    answer_of: dict[int, int] = {}
    keys_of: dict[int, list[int]] = {}
    order = np.random.default_rng(seed).permutation(len(stream.texts)).tolist()

    def asked(groups: Sequence[int], probability: float, truth: int, own: int | None = None) -> list[tuple[int, bool]]:
        """A judge's verdicts on an answer beside those it might equal, until one does."""
        verdicts: list[tuple[int, bool]] = []
        for place, group in enumerate(groups):
            if own is not None and space.current(group) in (own, *(space.current(other) for other, _ in verdicts)):
                if space.current(group) != own:
                    continue
                same = True  # they became one meanwhile
            elif judge_error:
                fixed = random.Random(seed * 1_000_003 + question * 4_001 + group).random() < judge_error if repeats else None
                weighing = judge.weigh(min(0.98, max(0.02, probability)) if place == 0 else 0.1, chance.random())
                same = answer_of[group] == truth
                while weighing.wants_more:
                    weighing.hear(same != (noise.random() < judge_error if fixed is None else fixed))
                same = weighing.same
            else:
                same = answer_of[group] == truth
                judge.calls += 1
            verdicts.append((group, same))
            if same:
                break
        return verdicts

    for question in order:
        outcome.requests += 1
        found, cosines = keys.nearest(question, NEIGHBOURS)
        look = space.look(found, cosines, unread if without == "verifier" else _comparing(stream, question, verifier))
        truth = stream.answers[question]
        if told is not None and look.candidate is not None:
            told(look, answer_of[look.candidate.group] == truth)
        if look.serve and serves and look.candidate is not None:
            if outcome.hits == 0:
                outcome.labels_at_first_hit, outcome.labels_above = space.labels, space.certificate.labels
                outcome.calls_at_first_hit, outcome.requests_at_first_hit = judge.calls, outcome.requests
            outcome.hits += 1
            outcome.wrong += answer_of[look.candidate.group] != truth
            continue
        others, asks = look.candidate.others[:ASKED] if look.candidate else (), space.asks(look)
        group = space.learn(look, asked(others, look.probability, truth) if asks else [])
        if not asks and look.candidate is not None:
            space.put_off(group, look.score, look.candidate.row, others)
        answer_of.setdefault(group, truth)
        keys_of.setdefault(group, []).append(question)
        space.add_key(question, group)
        keys.add(question)
        for _ in range(0 if space.young else AT_ONCE):
            if (unasked := space.later.take()) is None:
                break
            probability = 1 / (1 + math.exp(-min(60.0, unasked.score)))
            into = space.learn_later(unasked.group, asked(unasked.others, probability, answer_of[unasked.group], unasked.group))
            if into is not None:
                space.merge(unasked.group, into, keys_of[unasked.group])
                keys_of[into] += keys_of.pop(unasked.group)
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


def vcache(stream: Stream, seed: int, delta: float) -> Outcome:
    """vCache's rule (`_vcache.py`): the nearest entry alone decides; what was explored and was another answer becomes an entry."""
    chance = random.Random(seed)
    keys, outcome, curves = Keys(stream), Outcome(), dict[int, Curve]()
    for question in np.random.default_rng(seed).permutation(len(stream.texts)).tolist():
        outcome.requests += 1
        found, cosines = keys.nearest(question, 1)
        same = False
        if found:
            same = stream.answers[found[0]] == stream.answers[question]
            if not curves[found[0]].explores(cosines[0], delta, chance):
                outcome.hits += 1
                outcome.wrong += not same
                continue
            outcome.labels += 1
            curves[found[0]].observe(cosines[0], same=same)
        if not same:
            keys.add(question)
            curves[question] = Curve()
    return outcome
