"""Files of recorded exchanges, found by model and last user text.

One JSON object a line:
    {"prompt": "...", "model": "gpt-4o-mini-2024-07-18", "answer": "...",
     "system": "...", "usage": {"input_tokens": 12, "output_tokens": 34}, "first_token_s": 0.4, "per_token_s": 0.01, "finish": "stop", "score": 1.0}
`prompt` (the last user text), `model` and `answer` are needed; what is left out is unknown. Other keys are allowed and ignored.
A line with `before`, the texts of the turns between system prompt and last user text, answers only after them; a line without after any.
`source` says where an answer comes from: "by hand", or who was asked and when. `recorder.py` writes such lines.
A line with `system` answers only to that system prompt; a line without answers under any. Of two lines alike the first counts.
A model is also found by its family: `gpt-4o-mini` finds `gpt-4o-mini-2024-07-18`, `meta-llama/Llama-3.1-8B-Instruct` finds `Llama-3.1-8B-Instruct`.

Memory: 0.2 KB a line; the text stays in the file. Costs: 10 us a line to open, 25 us to find one.
"""

import os
import re
import weakref
from collections.abc import Iterator
from hashlib import blake2b
from typing import IO, Literal

import msgspec

from farthing.core.errors import UpstreamBroken, UpstreamUnreachable

_FILE_BITS = 48  # position of a line: number of its file above, offset below
_OFFSET = (1 << _FILE_BITS) - 1
_READ_BYTES = 16_384
_SNAPSHOT = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


class RecordedUsage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Recording(msgspec.Struct, frozen=True, omit_defaults=True):
    """One exchange as it happened. Times in seconds; `score` runs from 0 to 1."""

    prompt: str
    model: str
    answer: str
    system: str | None = None
    before: tuple[str, ...] | None = None
    usage: RecordedUsage | None = None
    first_token_s: float | None = None
    per_token_s: float | None = None
    finish: Literal["stop", "length", "content_filter"] = "stop"
    score: float | None = None
    source: str | None = None


class _Head(msgspec.Struct, frozen=True, gc=False):
    """What of a line is looked up."""

    prompt: str
    model: str
    answer: str
    system: str | None = None
    before: tuple[str, ...] | None = None


def family(model: str) -> str:
    """A model's name without its vendor and the date of its snapshot, in lower case."""
    return _SNAPSHOT.sub("", model.lower().rpartition("/")[2])


def _key(model: str, system: str | None, prompt: str, before: tuple[str, ...] | None = None) -> int:
    told = () if before is None else (f"\x02{len(before)}", *(text.strip() for text in before))
    text = "\x00".join((model, "" if system is None else "\x01" + system.strip(), prompt.strip(), *told))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Recordings:
    """Opened files and the index over them."""

    def __init__(self) -> None:
        self._files: list[int] = []
        self._index: dict[int, int] = {}
        self.models: set[str] = set()
        self.lines = 0

    def add_path(self, path: str) -> None:
        """Index a JSONL file. Raises `UpstreamUnreachable` when it cannot be opened, `UpstreamBroken` for a line that is no exchange."""
        try:
            with open(path, "rb") as file:
                self.add(file, path)
        except OSError as error:
            raise UpstreamUnreachable(f"The recordings in {path} cannot be read: {error.strerror}. Correct `recordings` of the service.") from error

    def add(self, file: IO[bytes], name: str) -> None:
        """Index an open file; it may be closed afterwards."""
        number = len(self._files)
        decoder = msgspec.json.Decoder(_Head)
        offset = 0
        for at, line in enumerate(file, start=1):
            if not line.isspace():
                try:
                    head = decoder.decode(line)
                except msgspec.MsgspecError as error:
                    raise UpstreamBroken(f"{name}, line {at} is no recorded exchange: {error}. It needs prompt, model and answer.") from error
                self._add_line(head, number << _FILE_BITS | offset)
            offset += len(line)
        handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, handle)
        self._files.append(handle)

    def _add_line(self, head: _Head, position: int) -> None:
        self.lines += 1
        self.models.add(head.model)
        for model in {head.model, family(head.model)}:
            self._index.setdefault(_key(model, head.system, head.prompt, head.before), position)

    def find(self, model: str, system: str, prompt: str, before: tuple[str, ...] = ()) -> Recording | None:
        """The exchange of that model, else of one of its family; one after these very turns before one after any."""
        for name in dict.fromkeys((model, family(model))):
            for turns, said in ((before, system), (before, None), (None, system), (None, None)):
                if (position := self._index.get(_key(name, said, prompt, turns))) is not None:
                    return self._read(position)
        return None

    def models_with(self, system: str, prompt: str) -> Iterator[str]:
        """Models that have an answer to this prompt."""
        return (model for model in sorted(self.models) if self.find(model, system, prompt) is not None)

    def _read(self, position: int) -> Recording:
        handle, offset = self._files[position >> _FILE_BITS], position & _OFFSET
        line = b""
        while b"\n" not in line and (piece := os.pread(handle, _READ_BYTES, offset + len(line))):
            line += piece
        return msgspec.json.decode(line.partition(b"\n")[0], type=Recording)
