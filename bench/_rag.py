"""Retrieval sets of ../shared/data/rag as the gateway would hold them, their embeddings kept between runs, and how an answer is looked for."""

import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from _harness import ROOT
from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.retrieve.base import Passage
from farthing.brain.retrieve.dense import to_bytes
from farthing.brain.retrieve.expand import Expander, Rule, Wordings
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.lexical import sequence
from farthing.brain.retrieve.rank import Ranker
from farthing.brain.retrieve.wordings import wordings
from farthing.config import Retrieve

DATA = ROOT.parent / "shared" / "data" / "rag"
CACHE = Path(os.environ.get("FARTHING_BENCH_CACHE", Path(tempfile.gettempdir()) / "retrieve"))
MIXED = ("nq_oracle", "xquad_en", "hotpot500", "twowiki_distractors")
ASKED = {"nq_oracle": 1000, "xquad_en": 600, "hotpot500": 500}
# What the shipped weights may be learned from; scifact (CC BY-NC), cranfield (no licence) and policyqa (OPP-115) are only ever looked at.
LEARN = ("nq_oracle", "xquad_en", "hotpot500")
MORE = 1600  # questions of a set that are used
LEARNED_FROM = {"nq_oracle": 600, "xquad_en": 590, "hotpot500": 500}  # the last so many; the first two's are never reported


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, which documents answer it (with grades where the set has them), and what the answer is called."""

    id: str
    text: str
    gold: dict[str, float]
    answers: tuple[str, ...]
    vector: np.ndarray

    @property
    def yes_or_no(self) -> bool:
        return all(answer.lower() in ("yes", "no") for answer in self.answers)


class Shelf:
    """Passages in memory."""

    def __init__(self, passages: list[Passage]) -> None:
        self.held = passages

    def passages(self, ids: list[int]) -> dict[int, Passage]:
        return {number: self.held[number] for number in ids if number < len(self.held)}


@dataclass(frozen=True)
class RagSet:
    name: str
    shelf: Shelf
    index: Index
    names: list[str]  # of each passage, as `gold` has them
    vectors: np.ndarray

    def finder(self, ranker: Ranker, expand: tuple[Rule, ...] = Retrieve().expand) -> Finder:
        """`expand`: rules for other words for what is asked, by default as shipped; what passages give two names is learned as at an ingest."""
        return Finder(self.index, self.shelf, ranker, Expander(expand, (), self.named if expand else None))

    @cached_property
    def named(self) -> Wordings:
        found = Wordings()
        for passage in self.shelf.held:
            found.put(passage.id, wordings([passage.text]))
        return found


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def embedded(name: str, texts: list[str]) -> np.ndarray:
    """Their vectors; those of a run before when there are as many."""
    path = CACHE / f"{name}.npy"
    if path.exists() and len(found := np.load(path)) >= len(texts):
        return found[: len(texts)].astype(np.float32)
    from farthing.models.embed import shipped

    CACHE.mkdir(parents=True, exist_ok=True)
    embedder, began_s = shipped(), time.perf_counter()
    found = np.concatenate([embedder.embed_many(texts[at : at + 512]).astype(np.float16) for at in range(0, len(texts), 512)])
    np.save(path, found)
    print(f"embedded {len(texts)} of {name} in {time.perf_counter() - began_s:.0f} s", flush=True)
    return found.astype(np.float32)


def load(*names: str) -> RagSet:
    """One index over some sets."""
    passages: list[Passage] = []
    ids: list[str] = []
    vectors: list[np.ndarray] = []
    sequences: list[np.ndarray] = []
    for name in names:
        corpus = rows(DATA / name / "corpus.jsonl")
        # Cranfield repeats the title at the head of each text.
        titles = ["" if name == "cranfield" else (row.get("title") or "").replace("_", " ") for row in corpus]
        texts = [f"{title}. {row['text']}" if title else row["text"] for title, row in zip(titles, corpus, strict=True)]
        vectors.append(embedded(f"{name}.corpus", texts))
        spans = [tuple(sentence_spans(row["text"])) for row in corpus]
        parts = embedded(f"{name}.sent", [row["text"][start:end] for row, some in zip(corpus, spans, strict=True) for start, end in some])
        at = 0
        for row, title, some in zip(corpus, titles, spans, strict=True):
            blob = b"".join(to_bytes(vector) for vector in parts[at : at + len(some)])
            passages.append(Passage(len(passages), f"{name}/{row['id']}", 1, 0, title, row["text"], some, blob))
            sequences.append(sequence([title, *(row["text"][start:end] for start, end in some)]))
            ids.append(row["id"])
            at += len(some)
    whole = np.concatenate(vectors)
    index = Index(Shelf([]), whole.shape[1])  # an empty shelf folds nothing: of two equal passages, judgements name one
    index.add(range(len(passages)), sequences, [to_bytes(vector) for vector in whole])
    return RagSet("+".join(names), Shelf(passages), index, ids, whole)


def questions(name: str, most: int | None = None) -> list[Asked]:
    found = rows(DATA / name / "queries.jsonl")
    held = embedded(f"{name}.queries", [row["question"] for row in found])
    asked = [
        Asked(row["id"], row["question"], {one: float(row.get("rel", {}).get(one, 1)) for one in row["gold"]}, tuple(row.get("answers", ())), vector)
        for row, vector in zip(found, held, strict=True)
        if name != "scifact" or row["split"] == "validation"
    ]
    return asked[:most]


def ndcg(ranked: list[str], gold: dict[str, float], depth: int = 10) -> float:
    got = sum(gold.get(name, 0) / np.log2(place + 2) for place, name in enumerate(ranked[:depth]))
    ideal = sum(grade / np.log2(place + 2) for place, grade in enumerate(sorted(gold.values(), reverse=True)[:depth]))
    return got / ideal if ideal else 0.0


def normal(text: str) -> str:
    """As SQuAD compares answers: letters and digits, one space between, no articles."""
    text = re.sub(r"\b(?:a|an|the)\b", " ", re.sub(r"[^\w\s]", " ", text.lower()))
    return f" {' '.join(text.split())} "


def answered(one: Asked, sent: list[tuple[str, str]]) -> bool:
    """Whether what is sent, as names of documents and texts, holds the answer. A yes or no stands nowhere: then each right document must be there."""
    if one.yes_or_no:
        return set(one.gold) <= {name for name, _ in sent}
    return holds("\n".join(text for _, text in sent), one.answers)


def holds(text: str, answers: tuple[str, ...]) -> bool:
    """Whether an answer stands in the text, word for word."""
    said = normal(text)
    return any(normal(answer) in said for answer in answers)
