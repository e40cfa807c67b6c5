"""The tiny model of the repository as a GGUF file."""

from pathlib import Path

import pytest

from farthing.lab.quantize.checkpoint import open_checkpoint
from farthing.lab.quantize.convert import to_gguf
from farthing.lab.quantize.shrink import shrink

TINY = Path(__file__).parents[2] / "assets" / "tiny_llama"


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In 8 bits, as `farthing quantize --method gguf:q8_0` makes it."""
    folder = tmp_path_factory.mktemp("tiny")
    to_gguf(open_checkpoint(TINY), folder / "wide.gguf", lambda _: None)
    shrink(folder / "wide.gguf", folder / "tiny.gguf", "q8_0", 1, lambda _: None)
    return folder / "tiny.gguf"
