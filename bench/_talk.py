"""Small talk, to be learned and measured: 27 intents of CLINC150 that no document answers, against questions that documents do.

Learned from the first 100 sentences of each intent, from half of banking77 (customers' questions), and from questions of nq_oracle and xquad_en that
no figure is measured on. The other sets of ../shared/data/rag are only ever looked at.
"""

import gzip
import json

import numpy as np

import _rag
from _harness import ROOT
from farthing.brain.retrieve.talk import SURE, UNLIKE

DATA = ROOT.parent / "shared" / "data" / "cache"
INTENTS = (
    *("greeting", "goodbye", "thank_you", "yes", "no", "maybe", "repeat", "tell_joke", "fun_fact", "flip_coin", "roll_dice", "meaning_of_life"),
    *("what_is_your_name", "how_old_are_you", "are_you_a_bot", "who_made_you", "who_do_you_work_for", "where_are_you_from", "what_can_i_ask_you"),
    *(
        "what_are_your_hobbies",
        "do_you_have_pets",
        "change_ai_name",
        "change_accent",
        "change_language",
        "change_speed",
        "change_volume",
        "whisper_mode",
    ),
)
ASKED = {"nq_oracle": 1600, "xquad_en": 600, "hotpot500": None, "policyqa": 2000, "scifact": None, "cranfield": None}
_FOR_LEARNING = 100


def sentences(name: str) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in gzip.decompress((DATA / f"stream_{name}.jsonl.gz").read_bytes()).splitlines()]
    return [(row["q"], row["a"]) for row in rows]


def talk() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of small talk: to learn from, and to measure."""
    by_intent = {intent: [text for text, answer in sentences("clinc150") if answer == intent] for intent in INTENTS}
    learn = [text for texts in by_intent.values() for text in texts[:_FOR_LEARNING]]
    held = [text for texts in by_intent.values() for text in texts[_FOR_LEARNING:]]
    found = _rag.embedded("talk.clinc150", [*learn, *held])
    return found[: len(learn)], found[len(learn) :]


def _vectors(name: str) -> np.ndarray:
    return np.stack([one.vector for one in _rag.questions(name)])


def learn() -> tuple[np.ndarray, float]:
    """Weights and bias: logistic regression, both sides weighing the same, by plain descent."""
    said, _ = talk()
    customers = _rag.embedded("talk.banking77", [text for text, _ in sentences("banking77")])[::2]
    asked = np.concatenate([_vectors("nq_oracle")[1655:], _vectors("xquad_en")[600:], customers])
    rows = np.concatenate([said, asked]).astype(np.float64)
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    right = np.concatenate([np.ones(len(said)), np.zeros(len(asked))])
    share = np.concatenate([np.full(len(said), 0.5 / len(said)), np.full(len(asked), 0.5 / len(asked))])
    weights, slope, square = (np.zeros(rows.shape[1]) for _ in range(3))
    held = np.append(np.full(rows.shape[1] - 1, 2e-4), 0)
    for step in range(1, 601):
        gradient = rows.T @ (share * (1 / (1 + np.exp(-(rows @ weights))) - right)) + held * weights
        slope = 0.9 * slope + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        weights -= 0.1 * (slope / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights[:-1], float(weights[-1])


def skipped(weights: np.ndarray, bias: float) -> tuple[dict[str, float], dict[str, float]]:
    """Share skipped of small talk asked of each set's collection, and of each set's own questions."""
    _, said = talk()
    chat: dict[str, float] = {}
    asked: dict[str, float] = {}
    for name, most in ASKED.items():
        corpus = np.load(_rag.CACHE / f"{name}.corpus.npy").astype(np.float32)
        for vectors, into in ((said, chat), (_vectors(name)[:most], asked)):
            nearest = (vectors @ corpus.T).max(axis=1)
            into[name] = float(((vectors @ weights + bias > SURE) & (nearest < UNLIKE)).mean())
    return chat, asked
