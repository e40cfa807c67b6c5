"""The texts that a quantization looks at: to calibrate, and to judge what is left.

Without files of your own both come from the help topics that ship with Python, other topics for the one than for the other. They are English
prose about code: bring your own traffic for figures that mean something for it.
"""

import json
from pathlib import Path

import msgspec

from farthing.lab.quantize.base import CannotQuantize


class Task(msgspec.Struct, frozen=True):
    """One question with its answer."""

    prompt: str
    answer: str


class Evaluation(msgspec.Struct, frozen=True):
    """A text for the perplexity, and tasks where there are any."""

    text: str
    tasks: tuple[Task, ...] = ()


def evaluation(file: str | None) -> Evaluation:
    """A text file, JSON lines with prompt and answer, or Python's own topics. Raises `CannotQuantize`."""
    if file is None:
        return Evaluation("\n\n".join(_topics(0)))
    text = _read(Path(file))
    if not text.lstrip().startswith("{"):
        return Evaluation(text)
    tasks = tuple(_task(file, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    return Evaluation("\n\n".join(task.prompt + task.answer for task in tasks), tasks)


def calibration(file: str | None) -> str:
    """A text file, or Python's own topics. Raises `CannotQuantize`."""
    if file is not None:
        return _read(Path(file))
    judged = set(_topics(0))
    return "\n\n".join(part for part in _topics(1) if part not in judged)  # some topics are chapters of others


def _topics(half: int) -> list[str]:
    """Paragraphs of every other topic."""
    from pydoc_data.topics import topics

    return [part.strip() for place, (_, text) in enumerate(sorted(topics.items())) if place % 2 == half for part in text.split("\n\n")]


def _read(file: Path) -> str:
    try:
        text = file.read_text("utf-8")
    except OSError as fault:
        raise CannotQuantize(f"Cannot read {file}: {fault.strerror}. Check the path.") from fault
    except UnicodeDecodeError as fault:
        raise CannotQuantize(f"{file} is not UTF-8 text (byte {fault.start}). Give a text file, or JSON lines with prompt and answer.") from fault
    if not text.strip():
        raise CannotQuantize(f"{file} is empty. Give a text of a few thousand words, or leave the option out.")
    return text


def _task(file: str, number: int, line: str) -> Task:
    try:
        return msgspec.json.decode(line, type=Task)
    except (msgspec.DecodeError, json.JSONDecodeError) as fault:
        raise CannotQuantize(f'{file}, line {number}: {fault}. Each line: {{"prompt": "...", "answer": "..."}}.') from fault
