"""Retrieval: how well it ranks, how many answers survive a token budget, what sentence extraction keeps, and how fast it is.

    python bench/retrieve.py [--only ndcg,expand,answers,extract,skip,speed] [--questions 1000]

Baselines are measured in the same run. Nothing is learned from a question that it is reported on: what ships is learned from nq_oracle and
xquad_en without the questions that are measured, and from hotpot500, where figures come from a ranker that saw the other two sets only (for
nDCG: and the other half of its questions). Data: ../shared/data/rag (some of it for looking at
only; see SOURCES.md there). The first run embeds the sets, which takes an hour on one busy core; vectors are kept ($FARTHING_BENCH_CACHE).
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

import _learn
import _rag
import _talk
from _expand import expansion
from _harness import ROOT, Figure, print_table, save
from _rag import ASKED, LEARN, MIXED, Asked, RagSet
from farthing import config
from farthing.brain.retrieve import features
from farthing.brain.retrieve.base import Excerpt, Passage
from farthing.brain.retrieve.dense import to_bytes
from farthing.brain.retrieve.expand import Expander
from farthing.brain.retrieve.finder import Finder, Ranked
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.lexical import Rows, best
from farthing.brain.retrieve.rank import Ranker, shipped
from farthing.models.tokens import TokenCounter

NDCG = {"scifact": 0.733, "cranfield": 0.438, "xquad_en": 0.979, "nq_oracle": 0.955, "hotpot500": 0.820}  # best column of the measured baselines
EXTRACT = {2: 0.965, 3: 0.94, 5: 0.88}
COUNTER = TokenCounter()
TALK = ROOT / "src" / "farthing" / "data" / "small_talk.json"
SHIPPED = ROOT / "src" / "farthing" / "data" / "retrieve.json"


def embedder_id() -> str:
    from farthing.models import embed

    return embed.shipped().id


@cache
def tokens(text: str) -> int:
    return COUNTER.count(text, "gpt-4o")


def shown(passage: Passage, text: str | None = None) -> str:
    """A passage as it stands in a prompt, whoever chose it."""
    return f"{passage.heading}\n{passage.text if text is None else text}"


def whole_texts(rag: RagSet, passages: Sequence[Passage]) -> list[tuple[str, str]]:
    return [(rag.names[passage.id], shown(passage)) for passage in passages]


def cut_texts(rag: RagSet, cut: Sequence[Excerpt]) -> list[tuple[str, str]]:
    return [(rag.names[part.passage.id], shown(part.passage, part.text)) for part in cut]


def cost(passage: Passage) -> int:
    return tokens(passage.heading) + tokens(passage.text) + 4


class Learned:
    """Rankers by what they may have seen of a set. Of nq_oracle and xquad_en that is questions that no figure is measured on; of hotpot500, all of
    whose questions are, nothing: but where only passages are ranked, the half that a question is not in.
    """

    def __init__(self) -> None:
        self._sets: dict[str, tuple[RagSet, list[Asked]]] = {}
        self._groups: dict[str, list[_learn.Group]] = {}
        self._rankers: dict[str, Ranker] = {}

    def by(self, name: str) -> Ranker:
        """For questions of that set: what ships, which saw none of them; of hotpot500 it saw all."""
        if name != "hotpot500":
            return shipped()
        if name not in self._rankers:
            self._rankers[name] = Ranker(*self.numbers([one for one in LEARN if one != name]))
        return self._rankers[name]

    def passages_by(self, name: str, half: int) -> Ranker:
        """The same for passages alone; `half` says which of two a question is in."""
        if name != "hotpot500":
            return self.by(name)
        key = f"{name} but half {half}"
        if key not in self._rankers:
            groups = [self._seen(one) for one in LEARN if one != name]
            groups.append([group for place, group in enumerate(self._seen(name)) if place % 2 != half])
            self._rankers[key] = Ranker(_learn.learn(groups, features.NAMES, rising=True), dict.fromkeys(features.SENTENCE_NAMES, 0.0))
        return self._rankers[key]

    def numbers(self, sets: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
        passage = _learn.learn([self._seen(name) for name in sets], features.NAMES, rising=True)
        first = Ranker(passage, dict.fromkeys(features.SENTENCE_NAMES, 0.0))
        groups = [_learn.sentence_groups(*self._sets[name], first) for name in sets]
        return passage, _learn.learn(groups, features.SENTENCE_NAMES)

    def _seen(self, name: str) -> list[_learn.Group]:
        if name not in self._sets:
            self._sets[name] = _rag.load(name), _rag.questions(name, _rag.MORE)[-_rag.LEARNED_FROM[name] :]
            self._groups[name] = _learn.passage_groups(*self._sets[name])
        return self._groups[name]


def scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / max(float(np.ptp(values)), 1e-9)


def baselines(rag: RagSet, one: Asked) -> dict[str, Rows]:
    """The rankings of retrieval.md over the whole index, best first."""
    question = rag.index.question(one.text, one.vector)
    words, cosines = rag.index.lexical.scores(question.terms, question.weights), rag.vectors @ one.vector
    by_words, near = best(words, 100), best(cosines, 100)
    rows = np.union1d(by_words, near)
    fused = np.zeros(len(rows))
    for ranked in (by_words, near):
        fused[np.searchsorted(rows, ranked)] += 1 / (61 + np.arange(len(ranked)))
    linear = {share: share * scaled(cosines[rows]) + (1 - share) * scaled(words[rows]) for share in (0.5, 0.7)}
    return {
        "BM25": by_words,
        "MiniLM": near,
        "RRF": rows[np.argsort(-fused, kind="stable")],
        "linear 0.5": rows[np.argsort(-linear[0.5], kind="stable")],
        "linear 0.7": rows[np.argsort(-linear[0.7], kind="stable")],
    }


def ranking(learned: Learned, most: int) -> list[Figure]:
    figures: list[Figure] = []
    higher = 0
    for name, goal in NDCG.items():
        rag = _rag.load(name)
        finders = [rag.finder(learned.passages_by(name, half)) for half in (0, 1)]
        found: dict[str, list[float]] = {}
        for place, one in enumerate(_rag.questions(name, min(most, ASKED.get(name, 1000)))):
            ranked = finders[place % 2].rank(one.text, one.vector)
            assert ranked is not None
            named = {"ours": [rag.names[passage.id] for passage, _ in ranked.best(10)]}
            named |= {kind: [rag.names[row] for row in rows[:10]] for kind, rows in baselines(rag, one).items()}
            for kind, names in named.items():
                found.setdefault(kind, []).append(_rag.ndcg(names, one.gold))
        means = {kind: 1000 * statistics.fmean(values) for kind, values in found.items()}
        ours = means.pop("ours")
        top = max(means.values())
        higher += ours >= max(top, 1000 * goal) + 20
        note = ", ".join(f"{kind} {value:.0f}" for kind, value in means.items())
        figures.append(Figure(f"{name}: nDCG@10 x 1000", ours, "", max(top, 1000 * goal), False, note))
    figures.append(Figure("sets that are better by two points", higher, "", 3, False))
    return figures


def answers(learned: Learned, most: int) -> list[Figure]:
    """Recall of answers against tokens of context, one index over four sets."""
    rag = _rag.load(*MIXED)
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    budgets = (400, 570, 700, 980)
    for name, count in ASKED.items():
        finder = rag.finder(learned.by(name))
        for one in _rag.questions(name, min(most, count)):
            lists = baselines(rag, one)
            usual = {"dump top 20, dense": lists["MiniLM"][:20], "top 20, RRF": lists["RRF"][:20], "top 5, RRF": lists["RRF"][:5]}
            for kind, places in usual.items():
                sent = [rag.shelf.held[row] for row in places]
                _note(rows, kind, name, one, whole_texts(rag, sent), sum(map(cost, sent)))
            ranked = finder.rank(one.text, one.vector)
            assert ranked is not None
            for n in (5, 3):
                sent = [passage for passage, _ in ranked.best(n)]
                _note(rows, f"top {n}, our ranking", name, one, whole_texts(rag, sent), sum(map(cost, sent)))
            order = finder.narrowed(ranked)
            for budget in budgets:
                cut = finder.cut(ranked, order, budget_tokens=budget, count=tokens)
                _note(rows, f"ours, {budget} tokens", name, one, cut_texts(rag, cut), sum(part.tokens for part in cut))
    return _answer_figures(rows)


def _note(rows: dict[str, Any], kind: str, name: str, one: Asked, sent: list[tuple[str, str]], spent: int) -> None:
    rows.setdefault(kind, {}).setdefault(name, []).append((float(_rag.answered(one, sent)), spent))


def _answer_figures(rows: dict[str, dict[str, list[tuple[float, float]]]]) -> list[Figure]:
    figures: list[Figure] = []
    recall: dict[tuple[str, str], float] = {}
    spent: dict[tuple[str, str], float] = {}
    for kind, sets in rows.items():
        for name, pairs in {"all": [pair for some in sets.values() for pair in some], **sets}.items():
            recall[kind, name] = 1000 * statistics.fmean(pair[0] for pair in pairs)
            spent[kind, name] = statistics.fmean(pair[1] for pair in pairs)
        note = ", ".join(f"{name} {recall[kind, name]:.0f} ({spent[kind, name]:.0f} tokens)" for name in sets)
        figures.append(Figure(f"{kind}: recall x 1000", recall[kind, "all"], "", None, note=note))
    dump = "dump top 20, dense"
    for name, kind in (("nq_oracle", "ours, 570 tokens"), ("xquad_en", "ours, 570 tokens"), ("hotpot500", "ours, 980 tokens")):
        share = 100 * spent[kind, name] / spent[dump, name]
        figures.append(Figure(f"{name}: {kind}", recall[kind, name], "", recall[dump, name] - 10, False, f"{share:.0f} % of the dump's tokens"))
        figures.append(Figure(f"{name}: share of the dump's tokens", share, "%", 40 if name == "hotpot500" else 22))
    figures.append(Figure("all sets at 700 tokens", recall["ours, 700 tokens", "all"], "", 935, False, "baseline 920"))
    figures.append(Figure("hotpot500 at 700 tokens", recall["ours, 700 tokens", "hotpot500"], "", 760, False, "baseline 717"))
    return figures


def extraction(learned: Learned, most: int) -> list[Figure]:
    """Of the best ten by RRF: how many answers are left when only so much of them is sent."""
    rag = _rag.load(*MIXED)
    kept: dict[tuple[str, str, int], list[float]] = {}
    for name, count in ASKED.items():
        finder = rag.finder(learned.by(name))
        for one in _rag.questions(name, min(most, count)):
            ranked = finder.rank(one.text, one.vector)
            assert ranked is not None
            ten = [ranked.passages[number] for number in range(min(10, len(ranked.passages)))]
            if not _rag.answered(one, whole_texts(rag, ten)):
                continue
            whole = sum(map(cost, ten))
            for times in EXTRACT:
                cut = finder.cut(ranked, range(len(ten)), budget_tokens=whole // times, count=tokens)
                texts = {
                    "ours": cut_texts(rag, cut),
                    "truncation": _truncated(rag, ten, whole // times),
                    "weighted sum": _weighted(rag, ranked, len(ten), whole // times),
                }
                for kind, sent in texts.items():
                    kept.setdefault((kind, name, times), []).append(float(_rag.answered(one, sent)))
    means = {key: 1000 * statistics.fmean(values) for key, values in kept.items()}
    figures: list[Figure] = []
    for times, goal in EXTRACT.items():
        for name in ASKED:
            other = {kind: means[kind, name, times] for kind in ("truncation", "weighted sum")}
            note = ", ".join(f"{kind} {value:.0f}" for kind, value in other.items())
            figures.append(Figure(f"{times}x, {name}: answers kept x 1000", means["ours", name, times], "", max(other.values()), False, note))
        mean = statistics.fmean(means["ours", name, times] for name in ASKED)
        figures.append(Figure(f"{times}x, mean of the three", mean, "", 1000 * goal, False))
    return figures


def _truncated(rag: RagSet, passages: Sequence[Passage], budget: int) -> list[tuple[str, str]]:
    """Whole passages in order, the last one up to its end of the budget."""
    found: list[tuple[str, str]] = []
    for passage, (name, text) in zip(passages, whole_texts(rag, passages), strict=True):
        spent = cost(passage)
        if budget > 0:
            found.append((name, text[: int(len(text) * min(1.0, budget / spent))]))
        budget -= spent
    return found


def _weighted(rag: RagSet, ranked: Ranked, count: int, budget: int) -> list[tuple[str, str]]:
    """The best of retrieval.md: MiniLM + BM25 + neighbours + passage prior + lead, weighed by hand."""
    sentences, lines = ranked.sentences, []
    cosines, said = ranked.cosines, sentences.said
    for number in range(count):
        passage, first = ranked.passages[number], int(sentences.first[number]) + 1
        places = range(first, first + len(passage.spans))
        for place, at in enumerate(places):
            beside = max((cosines[near] for near in (at - 1, at + 1) if near in places), default=0.0)
            score = cosines[at] + 0.5 * said[at] + 0.2 * beside + 0.6 / (1 + number) + 0.1 * (place == 0)
            lines.append((float(score), number, place))
    taken: dict[int, list[int]] = {}
    for _, number, place in sorted(lines, key=lambda line: -line[0]):
        passage = ranked.passages[number]
        start, end = passage.spans[place]
        spent = tokens(passage.text[start:end]) + (0 if number in taken else 4 + tokens(passage.heading))
        if spent <= budget:
            budget -= spent
            taken.setdefault(number, []).append(place)
    return [
        (rag.names[passage.id], shown(passage, " ".join(passage.text[slice(*passage.spans[place])] for place in sorted(places))))
        for passage, places in ((ranked.passages[number], places) for number, places in taken.items())
    ]


def skip() -> list[Figure]:
    """Small talk against every collection, and what is asked of each: the thresholds were chosen with these figures in sight."""
    chat, asked = _talk.skipped(*_talk.learn())
    return [
        *(Figure(f"{name}: small talk skipped", 100 * share, "%", 95, False) for name, share in chat.items()),
        *(Figure(f"{name}: questions skipped", 100 * share, "%", 2) for name, share in asked.items()),
    ]


def speed(chunks: int) -> list[Figure]:
    """Twenty passages from many chunks, the question's embedding included; and how fast documents come in. Processor time: machines are busy."""
    from farthing.models import embed

    rag, ranker = _rag.load("hotpot500", "nq_oracle"), shipped()
    chance = np.random.default_rng(7)
    rows = chance.integers(0, len(rag.names), chunks)
    noisy = rag.vectors[rows] + chance.normal(scale=0.02, size=(chunks, rag.vectors.shape[1])).astype(np.float32)
    sequences = [rag.index.lexical.of(int(row)) for row in rows]
    began = time.perf_counter()
    index = Index(_rag.Shelf([]), noisy.shape[1])
    vectors = [to_bytes(vector) for vector in noisy]
    index.add(range(chunks), sequences, vectors)
    build_s = time.perf_counter() - began
    shelf = _rag.Shelf([rag.shelf.held[int(row)] for row in rows])
    finder, embedder = Finder(index, shelf, ranker, Expander(config.Retrieve().expand, (), rag.named)), embed.shipped()
    asked = _rag.questions("hotpot500", 60)
    parts: dict[str, list[float]] = {"embed": [], "candidates": [], "rank": [], "find": []}
    lost: list[float] = []
    for one in asked:
        _time_one(one, index, finder, embedder, parts)
        exact = set(best(index.dense.cosines(one.vector, np.arange(chunks)), 20).tolist())
        lost.append(len(exact - set(index.dense.nearest(one.vector, 20)[0].tolist())) / 20)
    times = {name: 1e3 * statistics.median(values[5:]) for name, values in parts.items()}
    fastest = 1e3 * (min(parts["embed"]) + min(parts["rank"]))
    return [
        Figure(f"20 of {chunks:,} chunks with embedding", times["embed"] + times["rank"], "ms", 15, note=f"fastest {fastest:.1f}"),
        *(Figure(f"  of it or beyond: {name}", value, "ms", None) for name, value in times.items()),
        Figure("nearest 20 that the short list loses", 100 * statistics.fmean(lost), "%", 1),
        Figure("index made", build_s, "s", None),
        Figure("index brought up to date, ten chunks for ten others", 1e3 * _changed(index, sequences, vectors), "ms", 1000),
        *ingest(),
    ]


def _changed(index: Index, sequences: list[Any], vectors: list[bytes]) -> float:
    """Seconds that a question waits after a document was replaced, the store's part left out; the middle of nine."""
    took: list[float] = []
    for place in range(0, 90, 10):
        began = time.process_time()
        index.drop(range(place, place + 10))
        index.add(range(len(sequences) + place, len(sequences) + place + 10), sequences[place : place + 10], vectors[place : place + 10])
        took.append(time.process_time() - began)
    return statistics.median(took)


def _time_one(one: Asked, index: Index, finder: Finder, embedder: Any, parts: dict[str, list[float]]) -> None:
    question = index.question(one.text, one.vector)
    _timed(parts["embed"], lambda: embedder.embed_now(one.text))
    _timed(parts["candidates"], lambda: index.candidates(question))
    _timed(parts["rank"], lambda: finder.rank(one.text, one.vector))
    _timed(parts["find"], lambda: finder.find(one.text, one.vector, budget_tokens=700, count=tokens))


def _timed(into: list[float], act: Callable[[], object]) -> None:
    began = time.process_time()
    act()
    into.append(time.process_time() - began)


def ingest() -> list[Figure]:
    """Documents of twenty passages each, as files; processor time, since the machine may be busy with other work."""
    import resource
    import tempfile
    from pathlib import Path

    from farthing.lab.ingest.run import Ingest
    from farthing.models import embed
    from farthing.stores.sqlite.documents import Documents

    corpus = _rag.rows(_rag.DATA / "hotpot500" / "corpus.jsonl")
    random.Random(3).shuffle(corpus)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(8):
            some = corpus[number * 20 : number * 20 + 20]
            Path(folder, f"{number}.md").write_text("\n\n".join(f"# {row['title']}\n\n{row['text']}" for row in some))
        documents = Documents(config.Store(path=f"{folder}/d.db"))
        embedder = embed.shipped()
        embedder.embed_passages(["open"])
        before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        report = Ingest(documents, embedder, config.Retrieve(), tenant="t", collection="c").add([Path(folder)])
        spent_s = time.process_time() - before[0] + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before[1]
        size = sum(tokens(one.text) for one in documents.chunks("t", "c", [row.id for row in documents.index_rows("t", "c")]))
        documents.close()
    alike = report.chunks * (size / report.chunks / 170)
    beside = 100 * (report.parse_s + report.index_s) / (report.parse_s + report.index_s + report.embed_s)
    note = f"{report.chunks} chunks, {size / report.chunks:.0f} tokens on average, a vector for each sentence too"
    return [
        Figure("chunks of 170 tokens a second of one core", alike / spent_s, "", 25, False, note),
        Figure("parsing and indexing, share of the time", beside, "%", 10),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="ndcg,expand,answers,extract,skip,speed", help="parts, comma-separated")
    parser.add_argument("--questions", type=int, default=1000, help="most questions of a set")
    parser.add_argument("--chunks", type=int, default=100_000, help="size of the index that is timed")
    parser.add_argument("--write", action="store_true", help="learn the shipped numbers anew and write src/farthing/data/retrieve.json")
    wanted = parser.parse_args()
    learned = Learned()
    if wanted.write:
        passage, sentence = learned.numbers(LEARN)
        weights, bias = _talk.learn()
        talk = {"learned_from": ["clinc150", "banking77", "nq_oracle", "xquad_en"], "embedder": embedder_id(), "bias": round(bias, 4)}
        TALK.write_text(json.dumps(talk | {"weights": [round(float(weight), 3) for weight in weights]}) + "\n")
        SHIPPED.write_text(json.dumps({"learned_from": list(LEARN), "passage": passage, "sentence": sentence}, indent=1) + "\n")
    parts: dict[str, Callable[[], list[Figure]]] = {
        "ndcg": lambda: ranking(learned, wanted.questions),
        "expand": lambda: expansion(learned, wanted.questions),
        "answers": lambda: answers(learned, wanted.questions),
        "extract": lambda: extraction(learned, wanted.questions),
        "skip": skip,
        "speed": lambda: speed(wanted.chunks),
    }
    everything: list[Figure] = []
    for name in wanted.only.split(","):
        figures = parts[name]() if name else []
        if figures:
            print_table(f"Retrieval: {name}", figures)
        everything += figures
    save("retrieve", everything, {"questions": wanted.questions})


if __name__ == "__main__":
    main()
