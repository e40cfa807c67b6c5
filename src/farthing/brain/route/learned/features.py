"""Surface features of a prompt: what can be counted without understanding.

All of the prompt is read: system, history and the last user turn. Long texts are read at head and tail, as the classifier does.
Costs: about 25 us on a question of 450 characters (bench/route.py). The order is part of an artefact: a change here needs a new `VERSION`.
"""

from collections.abc import Sequence
from math import log1p

from farthing.core.exchange import Signals, TaskType
from farthing.core.request import Turn

VERSION = 1

HEAD_CHARS, TAIL_CHARS = 2000, 1000
_EMBED_CHARS = 1600
_TASKS = tuple(str(task) for task in TaskType)
_LANGUAGES = ("en", "de", "fr", "es")

_DIGITS, _UPPER, _MARKS = b"0123456789", bytes(range(65, 91)), b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_COUNTED = ("\n", "?", "$", "\\", "(", "=", "_", ".", ",", "^", "{", ":")
_WORDS = (" not ", "except", "which of the following", "statement", " following", " best ", " most ", "true", "if ", "how many", "prove", "calculate")
_CODE = ("```", "def ", "return ", "assert ", "import ", "();", "</", "SELECT ")
_MATHS = ("\\frac", "\\[", "$", "\\sqrt", "^2", "\\le", "\\text{")
_CHOICES = ("\nA. ", "\nA) ", "\n(A) ", "\nB. ")

NAMES: tuple[str, ...] = (
    *("log_chars", "log_words", "chars_per_word", "digit_share", "upper_share", "mark_share", "foreign_share", "unique_words", "longest_word"),
    *("last_word", "code_marks", "maths_marks", "choices", "log_numbers", "turns", "log_system", "log_history", "documents", "complexity"),
    *(f"count:{mark!r}" for mark in _COUNTED),
    *(f"word:{word.strip()}" for word in _WORDS),
    *(f"task:{task}" for task in _TASKS),
    *(f"language:{language}" for language in _LANGUAGES),
    *("language:other", "language:none"),
)


_NO_TASK = (0.0,) * len(_TASKS)
_TASK_ROWS = {task: tuple(float(task == other) for other in _TASKS) for task in _TASKS}
_LANGUAGE_ROWS = {named: tuple(float(named == other) for other in (*_LANGUAGES, "other", None)) for named in (*_LANGUAGES, None)}
_OTHER_LANGUAGE = (*(0.0,) * len(_LANGUAGES), 1.0, 0.0)


def window(text: str) -> str:
    """All of a short text, the head and the tail of a long one."""
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def prompt_text(turns: Sequence[Turn]) -> str:
    """What an embedder should read: what is asked first, then what was said before it, newest first, so that a cut loses the oldest."""
    parts: list[str] = []
    left = _EMBED_CHARS
    ordered = sorted(range(len(turns)), key=lambda at: (turns[at].role != "user", -at))
    for at in ordered:
        if left <= 0:
            break
        part = turns[at].text.strip()[:left]
        if part:
            parts.append(part)
            left -= len(part)
    return "\n".join(parts)


def features(turns: Sequence[Turn], signals: Signals) -> list[float]:
    """One row, in the order of `NAMES`."""
    asked_at = next((at for at in range(len(turns) - 1, -1, -1) if turns[at].role == "user"), len(turns) - 1)
    asked = window(turns[asked_at].text) if turns else ""
    system = sum([len(turn.text) for turn in turns if turn.role in ("system", "developer")])
    history = sum([len(turn.text) for at, turn in enumerate(turns) if at != asked_at]) - system
    row = _shape(asked)
    row += (float(len(turns)), log1p(system), log1p(history), float(signals.needs_documents), signals.complexity)
    row += map(log1p, map(asked.count, _COUNTED))
    row += map(float, map(asked.lower().__contains__, _WORDS))
    row += _TASK_ROWS.get(signals.task, _NO_TASK)
    row += _LANGUAGE_ROWS.get(signals.language, _OTHER_LANGUAGE)
    return row


def _shape(text: str) -> list[float]:
    """Length, letters and marks of what is asked."""
    words = text.split()
    raw = text.encode("utf-8", "replace")
    size, count = max(1, len(raw)), len(words)
    foreign = 0 if text.isascii() else len(raw) - len(text)
    return [
        log1p(len(text)),
        log1p(count),
        len(text) / (count + 1),
        (size - len(raw.translate(None, _DIGITS))) / size,
        (size - len(raw.translate(None, _UPPER))) / size,
        (size - len(raw.translate(None, _MARKS))) / size,
        foreign / size,
        len(set(words)) / max(1, count),
        log1p(max(map(len, words), default=0)),
        float(len(words[-1]) if words else 0),
        float(sum(map(text.__contains__, _CODE))),
        float(sum(map(text.__contains__, _MATHS))),
        float(any(map(text.__contains__, _CHOICES))),
        log1p(sum([word[0].isdigit() for word in words])),
    ]
