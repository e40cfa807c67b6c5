"""Graded prompts from files: JSONL rows, or a pair of Parquet files.

A JSONL row: `prompt` or `messages`, `scores` by model (0..1), and where there are any `cost_usd` by model, `answers` by model, `endpoint`, `group`,
`id`. A Parquet set is `NAME.prompts.parquet` (prompt_id, prompt, group) with `NAME.scores.parquet` (prompt_id, model, score; cost_usd or characters)
and, for cascades, `NAME.cheap_responses.parquet` (prompt_id, model, response) beside it.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from farthing.core.request import Turn
from farthing.core.usage import Rate, Usage
from farthing.lab.router.graded import Graded, GradesUnusable

Rates = Callable[[str], Rate | None]
ALL_ENDPOINTS = "*"
_BYTES_PER_TOKEN = 4
_SHOWN = 3


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[dict[str, Any]] | None = None


class _Row(msgspec.Struct, frozen=True):
    scores: dict[str, float | None]
    prompt: str | None = None
    messages: tuple[_Message, ...] = ()
    cost_usd: dict[str, float | None] = {}
    answers: dict[str, str | None] = {}
    endpoint: str = ALL_ENDPOINTS
    group: str = ""
    id: str | None = None


def read_graded(path: Path, rates: Rates) -> tuple[Graded, list[str]]:
    """What a file holds, and what was skipped. Raises `GradesUnusable`."""
    if not path.is_file():
        raise GradesUnusable(f"There is no file {path}. Give JSONL rows with `prompt` and `scores`, or a NAME.prompts.parquet.")
    return _parquet(path, rates) if path.suffix == ".parquet" else _jsonl(path, rates)


def _jsonl(path: Path, rates: Rates) -> tuple[Graded, list[str]]:
    rows: list[_Row] = []
    broken: list[str] = []
    decoder = msgspec.json.Decoder(_Row)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(_checked(decoder.decode(line)))
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
                said = "NaN is no score; write null, or leave the model out" if b"NaN" in line else error
                broken.append(f"line {number}: {said}")
    notes = [f"{len(broken)} lines skipped: {'; '.join(broken[:_SHOWN])}"] if broken else []
    if not rows:
        seen = f" {broken[0]}." if broken else ""
        raise GradesUnusable(
            f'{path} holds no graded prompt.{seen} A line looks like {{"prompt": "...", "scores": {{"gpt-4o-mini": 1, "gpt-4o": 1}}}}.'
        )
    return graded_from(rows, rates), notes


def _checked(row: _Row) -> _Row:
    if row.prompt is None and not row.messages:
        raise ValueError("neither `prompt` nor `messages`")
    for model, score in row.scores.items():
        if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
            raise ValueError(f"score {score} of {model} is not between 0 and 1")
    return row


def graded_from(rows: list[_Row], rates: Rates) -> Graded:
    """Rows that were read already, as one table."""
    models = tuple(sorted({model for row in rows for model in row.scores}))
    prompts = tuple(_turns(row) for row in rows)
    scores = np.array([[_number(row.scores.get(model)) for model in models] for row in rows])
    costs = np.array([[_cost(row, model, prompt, rates) for model in models] for row, prompt in zip(rows, prompts, strict=True)])
    answering = sorted({model for row in rows for model in row.answers})
    return Graded(
        ids=tuple(row.id or str(number) for number, row in enumerate(rows, 1)),
        prompts=prompts,
        groups=tuple(row.group for row in rows),
        endpoints=tuple(row.endpoint for row in rows),
        models=models,
        scores=scores.reshape(len(rows), len(models)),
        costs=costs.reshape(len(rows), len(models)),
        answers={model: tuple(row.answers.get(model) for row in rows) for model in answering},
    )


def _turns(row: _Row) -> tuple[Turn, ...]:
    if row.messages:
        return tuple(Turn(message.role, _text(message.content)) for message in row.messages)
    return (Turn("user", row.prompt or ""),)


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if "text" in part)
    return content or ""


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _cost(row: _Row, model: str, prompt: tuple[Turn, ...], rates: Rates) -> float:
    """As given, else by the price list from the lengths of prompt and answer, else unknown."""
    given = row.cost_usd.get(model)
    if given is not None:
        return float(given)
    rate, answer = rates(model), row.answers.get(model)
    if rate is None or answer is None:
        return math.nan
    return price(rate, sum(len(turn.text) for turn in prompt), len(answer))


def price(rate: Rate, chars_in: float, chars_out: float) -> float:
    """USD of a call of these lengths, at four characters a token."""
    return float(rate.price(Usage(int(chars_in) // _BYTES_PER_TOKEN, int(chars_out) // _BYTES_PER_TOKEN)) or Decimal(0))


def _parquet(path: Path, rates: Rates) -> tuple[Graded, list[str]]:
    prompts, scores, answers = (_table(path, part) for part in ("prompts", "scores", "cheap_responses"))
    if prompts is None or scores is None:
        raise GradesUnusable(f"A Parquet set is NAME.prompts.parquet with NAME.scores.parquet beside it; {path} lacks one of them.")
    ids = [str(name) for name in prompts["prompt_id"]]
    row = {name: at for at, name in enumerate(ids)}
    models = tuple(sorted({str(model) for model in scores["model"]}))
    column = {model: at for at, model in enumerate(models)}
    texts = [str(text) for text in prompts["prompt"]]
    sent = [float(size) for size in prompts.get("sent_chars", [len(text) for text in texts])]
    values, costs = np.full((len(ids), len(models)), np.nan), np.full((len(ids), len(models)), np.nan)
    known = {model: rates(model) for model in models}
    given, lengths = scores.get("cost_usd"), scores.get("out_chars")
    for at, (name, model, score) in enumerate(zip(scores["prompt_id"], scores["model"], scores["score"], strict=True)):
        where = row[name], column[model]
        values[where] = _number(score)
        if given is not None:
            costs[where] = _number(given[at])
        elif lengths is not None and lengths[at] is not None and (rate := known[model]) is not None:
            costs[where] = price(rate, sent[where[0]], lengths[at])
    return (
        Graded(
            ids=tuple(ids), prompts=tuple((Turn("user", text),) for text in texts), groups=tuple(str(group) for group in prompts["group"]),
            endpoints=(ALL_ENDPOINTS,) * len(ids), models=models, scores=values, costs=costs, answers=_answers(answers, row),
        ),
        [],
    )  # fmt: skip


def _answers(table: dict[str, list[Any]] | None, row: dict[str, int]) -> dict[str, tuple[str | None, ...]]:
    found: dict[str, list[str | None]] = {}
    if table is not None:
        for name, model, text in zip(table["prompt_id"], table["model"], table["response"], strict=True):
            found.setdefault(model, [None] * len(row))[row[name]] = text or ""
    return {model: tuple(texts) for model, texts in found.items()}


def _table(path: Path, part: str) -> dict[str, list[Any]] | None:
    """Columns of one file of the set, `None` where it is not there."""
    file = path.with_name(path.name.replace(".prompts.parquet", f".{part}.parquet"))
    if not file.is_file():
        return None
    try:
        from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise GradesUnusable("Reading Parquet needs pyarrow: pip install 'farthing[parquet]'") from error
    reader: Any = parquet
    return reader.read_table(file).to_pydict()


def with_embeddings(graded: Graded, embeddings: npt.NDArray[np.floating]) -> Graded:
    """The same prompts with their vectors. Raises `GradesUnusable` when their numbers differ."""
    if len(embeddings) != len(graded):
        raise GradesUnusable(f"{len(embeddings)} embeddings for {len(graded)} prompts. They must come from the same file, in its order.")
    return Graded(
        ids=graded.ids, prompts=graded.prompts, groups=graded.groups, endpoints=graded.endpoints, models=graded.models,
        scores=graded.scores, costs=graded.costs, answers=graded.answers, embeddings=np.asarray(embeddings, np.float32),
    )  # fmt: skip
