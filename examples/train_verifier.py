"""Train the verifier that Farthing ships: does one answer serve both questions?

Run: pip install scikit-learn && python examples/train_verifier.py ../shared/data/cache [--scratch /tmp/verifier]

Seen: questions of CLINC150 (CC BY 3.0) and BANKING77 (CC BY 4.0), train splits only; CheckList's QQP suite (MIT), half of its tests by hash of
their names. Made from them: paraphrases that keep the meaning, and changes that do not (numbers, negation, opposites, dates, places and names,
swapped or replaced words, a clause more). Not seen: QQP, PAWS-QQP, and the pairs perturbed from them, which only measure (bench/cache.py).
Out: `src/farthing/data/verifier.json`, the trees as plain numbers. Same input, same bytes.
"""

import argparse
import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from farthing.brain.cache.semantic import lexicon
from farthing.brain.cache.semantic.compare import FEATURES, features
from farthing.brain.cache.semantic.reading import read
from farthing.brain.cache.semantic.verifier import SHIPPED
from farthing.models.embed import shipped

Pair = tuple[str, str, int, str]
NEIGHBOURS = 6


def _row(text: str) -> list[str]:
    return text.split()


CITIES = _row(
    "paris london berlin madrid rome tokyo boston denver atlanta chicago dallas seattle houston miami toronto sydney mumbai delhi "
    "cairo lima oslo vienna prague dublin moscow beijing seoul france germany spain italy japan china india brazil canada mexico "
    "russia england ireland kenya egypt texas california florida ohio nevada"
)
NAMES = _row("john mary michael sarah david anna peter laura james emma robert julia google apple amazon microsoft netflix toyota honda nike")
WEEK = _row("monday tuesday wednesday thursday friday saturday sunday")
YEAR = _row("january february march april may june july august september october november december")
SAME = [
    ("how do i", "how can i"),
    ("how do i", "how to"),
    ("how do i", "what is the way to"),
    ("how do i", "can you tell me how to"),
    ("how do i", "what do i need to do to"),
    ("how do you", "how does one"),
    ("how can i", "what is the best way to"),
    ("what is", "what's"),
    ("what is", "can you tell me what is"),
    ("what is", "could you tell me"),
    ("what is the", "tell me the"),
    ("what are", "tell me"),
    ("what are", "can you list"),
    ("can i", "is it possible to"),
    ("can i", "am i able to"),
    ("i need to", "i want to"),
    ("i want to", "i would like to"),
    ("i want to", "i'd like to"),
    ("can you", "could you"),
    ("can you", "please"),
    ("where can i", "where do i"),
    ("where is", "where can i find"),
    ("why is", "what is the reason"),
    ("why did", "how come"),
    ("do not", "don't"),
    ("i am", "i'm"),
    ("tell me", "let me know"),
    ("tell me", "i need to know"),
    ("get", "obtain"),
    ("buy", "purchase"),
    ("phone", "telephone"),
    ("picture", "photo"),
    ("movie", "film"),
    ("show me", "give me"),
    ("find", "locate"),
    ("help me", "assist me to"),
    ("big", "large"),
    ("begin", "start"),
    ("fast", "quickly"),
]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def paraphrase(text: str, chance: random.Random) -> str | None:
    """The same question in other words, by the table, by frame, by a slip of the keyboard, or by moving its beginning."""
    low = text.lower().rstrip("?.! ")
    moves: list[str] = [
        re.sub(rf"\b{re.escape(one)}\b", other, low, count=1)
        for left, right in SAME
        for one, other in ((left, right), (right, left))
        if re.search(rf"\b{re.escape(one)}\b", low)
    ]
    moves += [f"{low}?", f"please {low}", f"hi, {low}", f"{low} please", f"{low} thanks", f"i have a question: {low}"]
    moves += [text.upper(), text.title()] if chance.random() < 0.15 else []
    words = low.split()
    long = [at for at, word in enumerate(words) if len(word) > 5 and word.isalpha()]
    if long and chance.random() < 0.4:
        at = chance.choice(long)
        cut = chance.randrange(2, len(words[at]) - 2)
        moves.append(" ".join([*words[:at], words[at][:cut] + words[at][cut + 1 :], *words[at + 1 :]]))
        moves.append(" ".join([*words[:at], words[at] + ("" if words[at].endswith("s") else "s"), *words[at + 1 :]]))
    light = [at for at, word in enumerate(words) if word in _row("the a an some really just so my please do")]
    if light:
        at = chance.choice(light)
        moves.append(" ".join(words[:at] + words[at + 1 :]))
    found = chance.choice(moves)
    return found if found != text else None


def number(text: str, chance: random.Random) -> str | None:
    found = list(re.finditer(r"\d+", text))
    if found:
        match = chance.choice(found)
        value = int(match[0])
        other = max(0, value + chance.choice([-7, -2, -1, 1, 2, 3, 5, 10, value]))
        return None if other == value else text[: match.start()] + str(other) + text[match.end() :]
    worded = [word for word in text.lower().split() if word in lexicon.NUMBERS]
    if not worded:
        return None
    word = chance.choice(worded)
    return re.sub(rf"\b{word}\b", chance.choice([other for other in lexicon.NUMBERS if other != word]), text.lower(), count=1)


def add_number(text: str, chance: random.Random) -> str | None:
    place, unit = chance.choice(["for", "in", "with", "after"]), chance.choice(["days", "dollars", "people", ""])
    return f"{text.rstrip('?. ')} {place} {chance.randrange(2, 90)} {unit}"


def negation(text: str, chance: random.Random) -> str | None:
    found = list(re.finditer(r"\b(is|are|was|do|does|did|can|could|will|would|should|has|have|am)\b", text, re.IGNORECASE))
    if not found:
        return None
    match = chance.choice(found)
    return text[: match.end()] + chance.choice([" not", " never", "n't"]) + text[match.end() :]


def opposite(text: str, chance: random.Random) -> str | None:
    found = [word for word in re.findall(r"[a-z]+", text.lower()) if word in lexicon.OPPOSITE]
    if not found:
        return None
    word = chance.choice(found)
    return re.sub(rf"\b{word}\b", chance.choice(sorted(lexicon.OPPOSITE[word])), text.lower(), count=1)


def one_of(table: list[str], reason: str) -> Callable[[str, random.Random], str | None]:
    def change(text: str, chance: random.Random) -> str | None:
        found = [word for word in re.findall(r"[a-z]+", text.lower()) if word in table]
        if not found:
            return None
        word = chance.choice(found)
        return re.sub(rf"\b{word}\b", chance.choice([other for other in table if other != word]), text.lower(), count=1)

    change.__name__ = reason
    return change


def swap(text: str, chance: random.Random) -> str | None:
    words = text.split()
    heavy = [at for at, word in enumerate(words) if word.lower().strip("?.,") not in lexicon.LIGHT and word.isalpha()]
    if len(heavy) < 2:
        return None
    one, other = chance.sample(heavy, 2)
    words[one], words[other] = words[other], words[one]
    return " ".join(words)


def replacement(pool: list[str]) -> Callable[[str, random.Random], str | None]:
    def replaced(text: str, chance: random.Random) -> str | None:
        words = text.split()
        heavy = [at for at, word in enumerate(words) if word.lower().strip("?.,") not in lexicon.LIGHT]
        if not heavy:
            return None
        words[chance.choice(heavy)] = chance.choice(pool)
        return " ".join(words)

    return replaced


def clause(pool: list[str]) -> Callable[[str, random.Random], str | None]:
    """More asked for: what a suffix that is optimised against the embedder looks like too."""

    def longer(text: str, chance: random.Random) -> str | None:
        return f"{text.rstrip('?. ')} {chance.choice(['and', 'with', 'for', ''])} {' '.join(chance.sample(pool, chance.randrange(1, 5)))}"

    return longer


def made(texts: list[str], pool: list[str], chance: random.Random) -> Iterator[Pair]:
    changes = [number, number, add_number, negation, opposite, opposite, one_of(WEEK, "date"), one_of(YEAR, "date"), one_of(CITIES, "place")]
    changes += [one_of(NAMES, "name"), swap, swap, replacement(pool), replacement(pool), replacement(CITIES), clause(pool)]
    for text in texts:
        for _ in range(3):
            if (other := paraphrase(text, chance)) is not None:
                again = paraphrase(other, chance) if chance.random() < 0.5 else other
                yield text, again or other, 1, "paraphrase"
        for change in chance.sample(changes, 4):
            other = change(text, chance)
            if other is not None and other.lower() != text.lower():
                varied = paraphrase(other, chance) if chance.random() < 0.4 else other
                yield text, varied or other, 0, change.__name__


def neighbours(stream: list[dict[str, Any]], vectors: dict[str, Any], chance: random.Random) -> Iterator[Pair]:
    """Near questions of the same intent and of another. Where they differ in what must not differ, an intent says nothing: left out."""
    texts = [row["q"] for row in stream]
    intents = [row["a"] for row in stream]
    matrix = np.array([vectors[text] for text in texts])
    for at in range(0, len(texts), 512):
        likeness = matrix[at : at + 512] @ matrix.T
        near = np.argsort(-likeness, axis=1)[:, 1 : NEIGHBOURS + 1]
        for row in range(len(near)):
            mine = at + row
            for other in near[row]:
                same = intents[mine] == intents[other]
                if same and (likeness[row, other] < 0.8 or _strictly_other(texts[mine], texts[other])):
                    continue
                if texts[mine] != texts[other] and chance.random() < (0.5 if same else 0.7):
                    yield texts[mine], texts[other], int(same), "near"


def _strictly_other(one: str, other: str) -> bool:
    found = dict(zip(FEATURES, features(read(one), read(other), 1.0), strict=True))
    return any(found[name] for name in _row("numbers differ negation differs dates differ opposites roles differ")) or found["replaced"] > 1


def checklist(path: Path) -> Iterator[Pair]:
    for row in rows(path):
        if hashlib.sha256(row["test"].encode()).digest()[0] % 2 == 0:
            yield row["a"], row["b"], row["y"], "checklist"


def embedded(texts: list[str], scratch: Path) -> dict[str, Any]:
    """Vectors by text; kept in `scratch`, because embedding takes minutes."""
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / "vectors.npz"
    known: dict[str, Any] = {}
    if kept.exists():
        loaded = np.load(kept, allow_pickle=True)
        known = dict(zip(loaded["texts"].tolist(), loaded["vectors"].astype(np.float32), strict=True))
    embedder = shipped()
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    if missing:
        known |= dict(zip(missing, embedder.embed_many(missing), strict=True))
        np.savez(kept, texts=np.array(list(known), dtype=object), vectors=np.array(list(known.values()), np.float16))
    return known


def gather(data: Path, scratch: Path) -> tuple[list[Pair], dict[str, Any]]:
    chance = random.Random(20)
    streams = [[row for row in rows(data / f"stream_{name}.jsonl.gz") if row["split"] == "train"] for name in ("clinc150", "banking77")]
    texts = sorted({row["q"] for stream in streams for row in stream})
    pool = sorted({word for text in texts for word in re.findall(r"[a-z]{4,}", text.lower()) if word not in lexicon.LIGHT})
    pairs = list(made(chance.sample(texts, min(5000, len(texts))), pool, chance))
    suite = list(checklist(data / "pairs_checklist_qqp.jsonl.gz"))
    vectors = embedded([text for stream in streams for text in (row["q"] for row in stream)], scratch)
    near = [pair for stream in streams for pair in neighbours(stream, vectors, chance)]
    pairs += suite + chance.sample(near, min(20_000, len(near)))
    return pairs, embedded([text for one, other, *_ in pairs for text in (one, other)], scratch)


def monotonic() -> list[int]:
    """More in common never lowers the verdict, more that differs never raises it: nobody can talk the trees into the contrary."""
    up = _row("cosine content overlap first in second second in first word overlap order of neighbours spelling overlap length ratio")
    free = {"length", "likeness of the rest", "replaced alone"}
    return [1 if name in up else 0 if name in free else -1 for name in FEATURES]


def flat(model: Any) -> dict[str, Any]:
    """The trees as lists: feature (-1 for a leaf), threshold or value, left and right child."""
    trees = []
    for (predictor,) in model._predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            {
                "feature": np.where(leaf, -1, nodes["feature_idx"]).tolist(),
                "value": [round(float(v), 6) for v in np.where(leaf, nodes["value"], nodes["num_threshold"])],
                "left": nodes["left"].tolist(),
                "right": nodes["right"].tolist(),
            }
        )
    return {"features": list(FEATURES), "base": round(float(model._baseline_prediction.ravel()[0]), 6), "trees": trees}


def main() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/verifier"))
    arguments = parser.parse_args()
    pairs, vectors = gather(arguments.data, arguments.scratch)
    table = np.array([features(read(one), read(other), float(vectors[one] @ vectors[other])) for one, other, *_ in pairs])
    labels = np.array([label for *_, label, _ in pairs])
    held = np.array([hashlib.sha256(one.encode()).digest()[0] < 32 for one, *_ in pairs])
    model = HistGradientBoostingClassifier(
        max_iter=80, max_depth=4, learning_rate=0.12, min_samples_leaf=40, l2_regularization=2.0, monotonic_cst=monotonic(), random_state=0,
        early_stopping=False,
    )  # fmt: skip
    model.fit(table[~held], labels[~held])
    SHIPPED.write_text(json.dumps(flat(model), separators=(",", ":")) + "\n")
    score = model.predict_proba(table)[:, 1]
    print(f"{len(pairs)} pairs, {int(labels.sum())} of them same; {SHIPPED.stat().st_size:,} bytes")
    for kind in sorted({pair[3] for pair in pairs}):
        of_kind = held & np.array([pair[3] == kind for pair in pairs])
        for label in (0, 1):
            some = of_kind & (labels == label)
            if some.any():
                shares = [f"{(score[some] >= limit).mean():.3f} at {limit}" for limit in (0.5, 0.9)]
                print(f"  {kind:12} {label}: {int(some.sum()):5} held out, accepted: {', '.join(shares)}")


if __name__ == "__main__":
    main()
