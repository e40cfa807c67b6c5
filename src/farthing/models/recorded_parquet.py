"""Recordings in Parquet, as pairs of files: `<name>.prompts.parquet` (prompt_id, prompt) and `<name>.cheap_responses.parquet`
(prompt_id, model, response), with `<name>.scores.parquet` (prompt_id, model, score) where there is one.

A process of its own turns them into JSON lines, because pyarrow would cost a worker 60 MB for as long as it lives.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from farthing.core.errors import UpstreamBroken, UpstreamUnreachable
from farthing.models.recordings import Recording

SUFFIX = ".parquet"
INSTALL = "Parquet recordings need pyarrow: pip install 'farthing[parquet]'"


def write_json_lines(paths: Iterable[str], file: IO[bytes]) -> None:
    """The exchanges of these Parquet files, as JSON lines, the file at its start again. Raises the `Upstream` branch."""
    sets = sorted({str(Path(path).parent / Path(path).name.partition(".")[0]) for path in paths})
    for stem in sets:
        for part in ("prompts", "cheap_responses"):
            if not Path(f"{stem}.{part}{SUFFIX}").is_file():
                raise UpstreamUnreachable(f"{stem}.{part}{SUFFIX} is missing. Parquet recordings are pairs: prompts and cheap_responses.")
    if importlib.util.find_spec("pyarrow") is None:
        raise UpstreamUnreachable(INSTALL)
    child = subprocess.run([sys.executable, "-m", "farthing.models.recorded_parquet", *sets], stdout=file, stderr=subprocess.PIPE, check=False)
    if child.returncode:
        raise UpstreamBroken(f"The recordings in {', '.join(sets)} cannot be read: {child.stderr.decode(errors='replace').strip()[-300:]}")
    file.seek(0)


def convert(stem: str) -> Iterable[Recording]:
    """The exchanges of one set."""
    prompts = {row["prompt_id"]: row["prompt"] for row in _rows(stem, "prompts", "prompt_id", "prompt")}
    scores: dict[tuple[str, str], float] = {}
    if Path(f"{stem}.scores{SUFFIX}").is_file():
        scores = {(row["prompt_id"], row["model"]): row["score"] for row in _rows(stem, "scores", "prompt_id", "model", "score")}
    for row in _rows(stem, "cheap_responses", "prompt_id", "model", "response"):
        prompt_id, model = row["prompt_id"], row["model"]
        if row["response"]:
            yield Recording(prompt=prompts[prompt_id], model=model, answer=row["response"], score=scores.get((prompt_id, model)))


def _rows(stem: str, part: str, *columns: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    table: Any = cast("Any", parquet).read_table(f"{stem}.{part}{SUFFIX}", columns=list(columns))
    return table.to_pylist()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for recording in convert(name):
            sys.stdout.buffer.write(msgspec.json.encode(recording) + b"\n")
