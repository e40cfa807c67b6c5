"""Other words for what is asked: what each rule does to the ranking, and what it finds where a question uses the other name.

`asked` are the questions that every figure is measured on, `kept back` those that the ranker's numbers may be learned from: the rules that are on by
default were chosen on these. A question is put in the other name by the rules themselves ("VPN" for "virtual private network"): what is measured is
whether the search gets back what it then misses, not how often people ask like that.
"""

import statistics
from collections.abc import Sequence
from typing import Any

import _rag
from _harness import Figure
from _rag import ASKED, LEARNED_FROM, Asked, RagSet
from farthing.brain.reading.words import words
from farthing.brain.retrieve.expand import RULES, Rule
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.lexical import best
from farthing.config import Retrieve

SHIPPED: tuple[Rule, ...] = Retrieve().expand
SETS = ("scifact", "cranfield", "xquad_en", "nq_oracle", "hotpot500")


def expansion(learned: Any, most: int) -> list[Figure]:
    figures: list[Figure] = []
    costs: dict[Rule, float] = {}
    for name in SETS:
        rag = _rag.load(name)
        groups = {"asked": _rag.questions(name, min(most, ASKED.get(name, 1000)))}
        if name in LEARNED_FROM and name != "hotpot500":
            groups["kept back"] = _rag.questions(name, _rag.MORE)[-min(most, LEARNED_FROM[name]) :]
        for group, some in groups.items():
            figures += _by_rule(rag, learned, name, group, some, costs)
        figures += _in_the_other_name(rag, learned, name, groups["asked"][:500])
    for rule, cost in costs.items():
        goal = 0 if rule in SHIPPED else None
        figures.append(Figure(f"{rule}: most that it costs any set, questions kept back", cost, "", goal, note="nDCG@10 x 1000"))
    return figures


def _by_rule(rag: RagSet, learned: Any, name: str, group: str, some: Sequence[Asked], costs: dict[Rule, float]) -> list[Figure]:
    plain = [_ndcg(rag, learned, name, place, one, ()) for place, one in enumerate(some)]
    parts: list[str] = []
    whole = 0.0
    for rules in (*((rule,) for rule in RULES if rule != "synonyms"), SHIPPED):
        changed = {place: one for place, one in enumerate(some) if _extra(rag, one, rules)}
        gain = sum(_ndcg(rag, learned, name, place, one, rules) - plain[place] for place, one in changed.items())
        points = 1000 * gain / len(some)
        if rules == SHIPPED:
            whole = points
        else:
            parts.append(f"{rules[0]} {points:+.1f} ({len(changed)})")
            if group == "kept back":
                costs[rules[0]] = max(costs.get(rules[0], 0.0), -points)
    note = f"without {1000 * statistics.fmean(plain):.1f}; by rule, and questions that it touches: {', '.join(parts)}"
    return [Figure(f"{name}, {group}: nDCG@10 x 1000 gained as shipped", whole, "", 0 if group == "asked" else None, False, note)]


def _in_the_other_name(rag: RagSet, learned: Any, name: str, some: Sequence[Asked]) -> list[Figure]:
    from farthing.models.embed import shipped

    found: dict[tuple[str, bool], list[float]] = {}
    for place, one in enumerate(some):
        for rule in RULES:
            other = _renamed(rag, one, rule)
            if other is None:
                continue
            asked = Asked(one.id, other, one.gold, one.answers, shipped().embed_now(other))
            for on in (False, True):
                rules: tuple[Rule, ...] = (rule,) if on else ()
                found.setdefault((f"{rule}, by words", on), []).append(_ndcg_words(rag, asked, rules))
                found.setdefault((f"{rule}, ours", on), []).append(_ndcg(rag, learned, name, place, asked, rules))
    return [
        Figure(
            f"{name}: asked in the other name, {kind}",
            1000 * statistics.fmean(values),
            "",
            None,
            note=f"without {1000 * statistics.fmean(found[kind, False]):.0f}; {len(values)} questions",
        )
        for (kind, on), values in found.items()
        if on
    ]


def _renamed(rag: RagSet, one: Asked, rule: Rule) -> str | None:
    """The question with one thing called by its other name; `None` where nothing in it has one."""
    for extra in _extra(rag, one, (rule,)):
        said, lowered = extra.one.said, " ".join(words(one.text))
        if f" {said} " in f" {lowered} ":
            return f" {lowered} ".replace(f" {said} ", f" {extra.one.also} ", 1).strip()
    return None


def _extra(rag: RagSet, one: Asked, rules: tuple[Rule, ...]) -> Any:
    expander = rag.finder(None, rules).expander  # type: ignore[arg-type]
    return rag.index.question(one.text, one.vector, expander.alternatives(one.text)).extra


def _ndcg(rag: RagSet, learned: Any, name: str, place: int, one: Asked, rules: tuple[Rule, ...]) -> float:
    ranked = rag.finder(learned.passages_by(name, place % 2), rules).rank(one.text, one.vector)
    assert ranked is not None
    return _rag.ndcg([rag.names[passage.id] for passage, _ in ranked.best(10)], one.gold)


def _ndcg_words(rag: RagSet, one: Asked, rules: tuple[Rule, ...]) -> float:
    index: Index = rag.index
    expander = rag.finder(None, rules).expander  # type: ignore[arg-type]
    question = index.question(one.text, one.vector, expander.alternatives(one.text))
    return _rag.ndcg([rag.names[row] for row in best(index.words(question), 10)], one.gold)
