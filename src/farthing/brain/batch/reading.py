"""From a file to items: every line is read and judged before any of them runs. One bad line, and nothing runs: the batch says which and why."""

import asyncio
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from farthing.brain.batch.ports import Jobs
from farthing.config import Config
from farthing.core.batch import Batch, NewItem
from farthing.core.errors import InvalidRequest, TooDeep
from farthing.core.request import Peek
from farthing.wire.batch_lines import PATHS, LineProblem, RequestLine, problem_of, read_line
from farthing.wire.peek import peek

_AT_ONCE = 50  # lines between two looks at what else is to be done
_MOST_PROBLEMS = 20
_ALIKE_BYTES = 96


class _Reading:
    """What is known of the lines so far."""

    def __init__(self, batch: Batch, config: Config) -> None:
        self._batch, self._config = batch, config
        self._dialect = PATHS[batch.path]
        self._names: set[str] = set()
        self._first: dict[bytes, int] = {}  # the first line of each request
        self.total = 0
        self.problems: list[LineProblem] = []

    def item(self, raw: bytes, number: int) -> NewItem | None:
        """One line, counted from 0; `None` when it has a problem."""
        found = read_line(raw, number + 1, self._batch.path)
        problem = found if isinstance(found, LineProblem) else self._problem(found, number)
        if problem is not None:
            self.problems.append(problem)
            return None
        assert isinstance(found, RequestLine)
        body = bytes(found.body)
        try:
            view = self._peek(body)
        except (InvalidRequest, TooDeep) as error:
            self.problems.append(problem_of(error, number + 1))
            return None
        if view.stream:
            self.problems.append(LineProblem("invalid_request", number + 1, "A batch has no streams. Leave out 'stream'.", "body.stream"))
            return None
        self._names.add(found.custom_id)
        self.total += 1
        return NewItem(number, found.custom_id, body, alike(view), self._twin(view, body, number))

    def _problem(self, line: RequestLine, number: int) -> LineProblem | None:
        if line.custom_id in self._names:
            return LineProblem("duplicate_custom_id", number + 1, f"The custom_id '{line.custom_id[:80]}' is used twice in this file.", "custom_id")
        if self.total >= self._config.batch.max_items:
            return LineProblem("too_many_tasks", number + 1, f"A file may hold {self._config.batch.max_items:,} requests (`batch.max_items`).")
        return None

    def _peek(self, body: bytes) -> Peek:
        limits = self._config.limits
        if len(body) > limits.body_bytes:
            raise InvalidRequest(f"The body is larger than {limits.body_bytes} bytes (`limits.body_bytes`).")
        return peek(self._dialect, body, json_depth=limits.json_depth, max_messages=limits.messages)

    def _twin(self, view: Peek, body: bytes, number: int) -> int | None:
        """The line of the same request before; `None`: it is the first, or samples are wanted."""
        hot = view.temperature is not None and view.temperature > self._config.cache.max_temperature
        if hot or not self._config.batch.dedupe:
            return None
        digest = blake2b(body, digest_size=16).digest()
        first = self._first.setdefault(digest, number)
        return None if first == number else first


def alike(view: Peek) -> bytes:
    """Sorts requests so that those which share a model, a system prompt and then the beginning of what follows stand together."""
    rest = "\n".join(turn.text for turn in view.turns if turn.role not in ("system", "developer"))
    head = blake2b(f"{view.model}\0{view.system_text}".encode("utf-8", "replace"), digest_size=8).digest()
    return head + rest[:_ALIKE_BYTES].encode("utf-8", "replace")


async def read_batch(batch: Batch, jobs: Jobs, config: Config, now: float) -> bool:
    """Queue the items of a batch that this worker has claimed, or reject it. True when it may run."""
    reading = _Reading(batch, config)
    waiting: list[NewItem] = []
    assert batch.input_file is not None
    number = -1
    for number, raw in enumerate(_lines(jobs.parts(batch.input_file))):
        item = reading.item(raw, number)
        if item is not None and not reading.problems:
            waiting.append(item)
        if len(reading.problems) >= _MOST_PROBLEMS or reading.total > config.batch.max_items:
            break
        if len(waiting) >= _AT_ONCE:
            await jobs.add_items(batch.id, waiting)
            waiting = []
        elif number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    if number < 0:
        reading.problems.append(LineProblem("empty_file", None, "The file holds no requests. Write one JSON object a line."))
    if reading.problems:
        await jobs.reject(batch.id, errors=msgspec.json.encode(reading.problems).decode(), now=now)
        return False
    await jobs.add_items(batch.id, waiting)
    await jobs.begin(batch.id, total=reading.total, now=now)
    return True


def _lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Lines that are not blank."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest
