"""Complexity: 0 is trivial, 1 is hard. A weighted sum of what can be seen without understanding.

It says how much is asked, not whether a model will get it right: against the wrong
answers of a cheap model it is hardly better than chance (AUC 0.55, bench/classify.py), so no shipped rule uses it.
"""

from math import log2

from farthing.brain.classify.features import Scores
from farthing.core.request import Peek

_EASY_TASKS = frozenset({"classification", "tag_prediction", "sentiment", "translate", "chat", "faq_qna"})
_HARD_TASKS = {"code": 0.15, "math": 0.15, "agent": 0.1}


def complexity_of(asked: str, scores: Scores, task: str, query_tokens: int, peek: Peek) -> float:
    """Length, kind of task, words that ask for thought, conditions, parts of the question, turns."""
    points = 0.05 + 0.04 * min(6.0, log2(1 + query_tokens / 16))
    points += _HARD_TASKS.get(task, 0.0)
    points += 0.08 * min(3, scores.get("reason", 0))
    points += 0.03 * min(6, scores.get("must", 0))
    parts = asked.count("?") + asked.count("\n") // 3
    if parts > 1:
        points += 0.05 * min(4, parts - 1)
    points += 0.01 * min(10, len(peek.turns)) + 0.05 * peek.has_tools
    if task in _EASY_TASKS:
        points *= 0.6
    return round(min(1.0, points), 3)
