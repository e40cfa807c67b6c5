"""Task type: the one with the most weight among the words of what is asked, the shape of the text, and, for less, the system prompt."""

from farthing.brain.classify.features import Reading, Scores
from farthing.brain.classify.words import TASKS
from farthing.core.request import Peek

_CODE_MARKS = ("```", "def ", "[PYTHON]", "#include", "public class", "console.log", "SELECT ", "function(", "=> {", "();", "import ", "</")
_MATH_MARKS = ("\\frac", "\\[", "\\(", "\\sqrt", "$$", "\\le", "^2", "\\text{")
_CHOICES = ("\nA. ", "\nA) ", "\n(A) ")
_TASKS = frozenset(feature for feature, _, _ in TASKS)
# What every question holds says nothing about the task when it stands in a system prompt.
_BACKGROUND_TASKS = _TASKS - {"task:qa", "task:chat", "task:math"}
_BACKGROUND_SHARE = 0.6
_MOST_FOR_QA = 2.5
_SHORT_CHARS = 400
_GREETING_CHARS = 60
_UNSURE = 0.3

Points = dict[str, float]


def task_of(asked: str, reading: Reading, scores: Scores, background: Scores, peek: Peek) -> tuple[str, float]:
    """Name and confidence (0..1) of the likeliest task. `reading` is of `asked`."""
    if peek.has_tools:
        return "agent", 0.9
    points: Points = {feature: scores[feature] for feature in sorted(_TASKS.intersection(scores))}
    for feature in sorted(_BACKGROUND_TASKS.intersection(background)):
        _add(points, feature, background[feature] * _BACKGROUND_SHARE)
    _add_shape(points, asked, reading)
    _add_situation(points, asked, scores, background, peek)
    return _best(points, asked)


def _add(points: Points, feature: str, weight: float) -> None:
    points[feature] = points.get(feature, 0.0) + weight


def _add_shape(points: Points, asked: str, reading: Reading) -> None:
    """Code, formulas, sums in words."""
    code = sum([mark in asked for mark in _CODE_MARKS])
    if code:
        _add(points, "task:code", 4 + 2 * code)
    maths = sum([mark in asked for mark in _MATH_MARKS]) + asked.count("$") // 2 if "\\" in asked or "$" in asked or "^" in asked else 0
    if maths:
        _add(points, "task:math", 3 + maths)
    elif "task:math" in points:
        numbers = sum(map(bytes.isdigit, reading.words))
        # "How much does it cost?" is no sum; "how much do 3 pens at 2 dollars cost?" is one.
        points["task:math"] = points["task:math"] * 0.4 if numbers < 2 else points["task:math"] + min(4, numbers)


def _add_situation(points: Points, asked: str, scores: Scores, background: Scores, peek: Peek) -> None:
    """Who is talking to whom, and what kind of answer is wanted."""
    if peek.answer_schema is not None or peek.wants_json:
        _add(points, "task:extract", 2)
    if "support" in background or "support" in scores:
        _add(points, "task:faq_qna", 4)
    elif scores.get("self", 0) and len(asked) < _SHORT_CHARS and "task:faq_qna" in points:
        _add(points, "task:faq_qna", min(3, scores["self"]))
    if "task:chat" in points and len(asked) > _GREETING_CHARS:
        points["task:chat"] = 1.0
    if "task:qa" in points:
        points["task:qa"] = min(points["task:qa"], _MOST_FOR_QA)
    if "?" in asked:
        _add(points, "task:qa", 1.0)
    if "\n" in asked and any(mark in asked for mark in _CHOICES):
        _add(points, "task:qa", 6.0)


def _best(points: Points, asked: str) -> tuple[str, float]:
    best, second, name = 0.0, 0.0, ""
    for task, weight in points.items():
        if weight > best:
            best, second, name = weight, best, task
        elif weight > second:
            second = weight
    if best < 1.0:
        return ("qa" if "?" in asked else "chat"), _UNSURE
    sure = (best - second) / best
    return name[5:], round(min(0.95, 0.4 + 0.35 * sure + 0.03 * min(best, 8.0)), 2)
