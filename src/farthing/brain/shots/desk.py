"""Examples and what they mean: read once, embedded once, of one worker."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farthing.brain.ports import Embedder
from farthing.config.context import FewShot, FewShotExample
from farthing.core.errors import ConfigError

if TYPE_CHECKING:
    from farthing.brain.ports import Vector

_MOST_VECTORS = 4_000
_MOST_EXAMPLES = 2_000
_FORM = 'Write {"input": "...", "output": "..."} on each line.'


def read_examples(key: str, settings: FewShot) -> tuple[FewShotExample, ...]:
    """Those of the configuration, then those of its file. Raises `ConfigError` that names the line."""
    found = list(settings.examples)
    if settings.path is not None:
        try:
            lines = Path(settings.path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{key}.path: cannot read {settings.path}: {error}. Name a JSONL file with input and output on each line.") from error
        for number, line in enumerate(lines, 1):
            try:
                found += [msgspec.json.decode(line, type=FewShotExample)] if line.strip() else []
            except ValueError as error:
                raise ConfigError(f"{key}.path: line {number} of {settings.path} is no example: {error}. {_FORM}") from error
    if len(found) > _MOST_EXAMPLES:
        raise ConfigError(f"{key} has {len(found):,} examples; at most {_MOST_EXAMPLES:,} are taken.")
    return tuple(found)


class Shots:
    """The examples of every endpoint that has some. Vectors are kept by text, so a reload embeds nothing anew."""

    def __init__(self, embedder: Embedder, examples: dict[str, tuple[FewShotExample, ...]]) -> None:
        self._embedder = embedder
        self._examples = examples
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def of(self, endpoint: str) -> tuple[FewShotExample, ...]:
        return self._examples.get(endpoint, ())

    def adopt(self, examples: dict[str, tuple[FewShotExample, ...]]) -> None:
        """Another configuration."""
        self._examples = examples

    async def vectors(self, texts: "Sequence[str]") -> "list[Vector]":
        """In the order of the texts. Raises what the embedder raises."""
        found: list[Vector] = []
        for text in texts:
            vector = self._vectors.get(text)
            if vector is None:
                vector = self._vectors[text] = await self._embedder.embed(text)
                if len(self._vectors) > _MOST_VECTORS:
                    self._vectors.popitem(last=False)
            found.append(vector)
        return found

    async def warm(self) -> None:
        """Embed all examples, so that no request waits for it."""
        for some in list(self._examples.values()):
            await self.vectors([one.input for one in some])
