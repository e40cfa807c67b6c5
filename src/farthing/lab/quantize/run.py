"""`farthing quantize` from beginning to end: check, convert, measure, quantize, measure, decide, move into place.

Guarantees: the original is only read; `out` appears whole or not at all; a run that was stopped goes on where it was when it is started again
with the same words; the same spec gives the same files. What fails, or loses too much quality, leaves nothing behind.
Costs: conversion and K-quants a few seconds a gigabyte, GPTQ and AWQ minutes a billion parameters on a GPU; measuring twice `windows` windows.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from farthing.lab.quantize import room
from farthing.lab.quantize.base import (
    GGUF_INSTALL,
    METHODS,
    TORCH_INSTALL,
    CannotQuantize,
    Comparison,
    Measured,
    Method,
    QualityLost,
    Spec,
    ToolMissing,
)
from farthing.lab.quantize.checkpoint import Checkpoint, open_checkpoint
from farthing.lab.quantize.compress import AskedToCompress
from farthing.lab.quantize.convert import refuse_unsupported, to_gguf
from farthing.lab.quantize.hub import local_folder
from farthing.lab.quantize.probe import Asked, size_of
from farthing.lab.quantize.report import FILE, Report, compare, encoded, serve_command, tool_versions, usd_per_mtok
from farthing.lab.quantize.shrink import shrink
from farthing.lab.quantize.texts import Evaluation, calibration, evaluation
from farthing.models.local.pages import huge_pages

Progress = Callable[[str, float | None], None]  # what is being done, and how much of it, where that is known

_NEEDS = {"gguf": (("gguf", "xllamacpp"), GGUF_INSTALL), "compressed": (("torch", "transformers", "llmcompressor"), TORCH_INSTALL)}
_TOOLS = ("gguf", "xllamacpp", "torch", "transformers", "llmcompressor", "compressed-tensors")


@dataclass(frozen=True, slots=True)
class Job:
    """One run: where it reads, where it works, and how it tells."""

    spec: Spec
    method: Method
    source: Path  # folder, or GGUF file
    work: Path
    texts: Evaluation
    parameters: int
    threads: int
    tell: Progress


def quantize(spec: Spec, out: Path, *, machine_usd_per_hour: float | None, threads: int, tell: Progress) -> Report:
    """The report; the files lie in `out`. Raises `CannotQuantize`, and then there is nothing new on the disk."""
    began = time.monotonic()
    method = _method(spec.method)
    if (done := _done_already(spec, out)) is not None:
        return done
    source = local_folder(spec.model)
    texts, parameters, source_bytes = evaluation(spec.evaluation), *_weighed(source, method)
    room.refuse_shortage(room.needed(source_bytes, parameters, method), room.available(out), out)
    work = out.with_name(out.name + ".partial")
    with _workplace(work, _stamp(spec, source)):
        job = Job(spec, method, source, work, texts, parameters, threads, tell)
        before, after, made = _gguf(job) if method.family == "gguf" else _compressed(job)
        comparison = compare(before, after, spec.seed)
        _refuse_loss(spec, comparison)
        report = Report(
            spec=spec,
            source_bytes=source_bytes,
            parameters=parameters,
            comparison=comparison,
            machine_usd_per_hour=machine_usd_per_hour,
            usd_per_mtok_before=usd_per_mtok(before.decode_tokens_per_s, machine_usd_per_hour),
            usd_per_mtok_after=usd_per_mtok(after.decode_tokens_per_s, machine_usd_per_hour),
            serve=serve_command(method.name, out / made if made else out),
            took_s=time.monotonic() - began,
            tools=tool_versions(_TOOLS),
            notes=_notes(method, spec),
        )
        (work / "result" / FILE).write_bytes(encoded(report))
        if out.exists():
            out.rmdir()  # empty: `_done_already` saw to it
        (work / "result").rename(out)
    return report


def _method(name: str) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise CannotQuantize(f"'{name}' is no method. Known: {', '.join(METHODS)}.")
    modules, install = _NEEDS[method.family]
    if missing := [module for module in modules if find_spec(module) is None]:
        raise ToolMissing(f"{name} needs what is not installed here ({', '.join(missing)}): {install}")
    return method


def _done_already(spec: Spec, out: Path) -> Report | None:
    """The report of an earlier run with the same spec. Raises `CannotQuantize` when something else is there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        report = msgspec.json.decode((out / FILE).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError):
        raise CannotQuantize(f"{out} exists and is not the result of a quantization. Give another --out.") from None
    if report.spec != spec:
        raise CannotQuantize(f"{out} holds the result of another run ({report.spec.method}). Give another --out, or remove it.")
    return report


def _weighed(source: Path, method: Method) -> tuple[int, int]:
    """(parameters, bytes), after everything that can be refused by looking has been."""
    if source.is_file():
        if method.family != "gguf":
            raise CannotQuantize(f"{method.name} starts from a checkpoint (a folder with safetensors), not from {source.name}.")
        size = size_of(source)
        return size // 2, size
    checkpoint = open_checkpoint(source)
    if method.family == "gguf":
        refuse_unsupported(checkpoint)
    return checkpoint.parameters, checkpoint.weight_bytes


def _gguf(job: Job) -> tuple[Measured, Measured, str]:
    recipe = job.method.name.partition(":")[2]
    wide = job.source if job.source.is_file() else _step(job, "wide.gguf", "converting", lambda file: _convert(job, file))
    before = _measured(job, wide, "llama.cpp", "measuring the original")
    name = f"model-{recipe}.gguf"
    (job.work / "result").mkdir(exist_ok=True)
    made = _step(
        job, f"result/{name}", "quantizing", lambda file: shrink(wide, file, recipe, job.threads, lambda share: job.tell("quantizing", share))
    )
    return before, _measured(job, made, "llama.cpp", "measuring the result"), name


def _convert(job: Job, file: Path) -> None:
    checkpoint: Checkpoint = open_checkpoint(job.source)
    to_gguf(checkpoint, file, lambda share: job.tell("converting", share))


def _compressed(job: Job) -> tuple[Measured, Measured, str]:
    before = _measured(job, job.source, "transformers", "measuring the original")
    made = _step(job, "result", "quantizing", lambda folder: _compress(job, folder))
    return before, _measured(job, made, "transformers", "measuring the result"), ""


def _compress(job: Job, folder: Path) -> None:
    spec = job.spec
    text = calibration(spec.calibration)
    asked = AskedToCompress(str(job.source), str(folder), job.method.name, text, spec.calibration_samples, spec.window_tokens, spec.seed, job.threads)
    _child(job, "farthing.lab.quantize.compress", asked, "quantizing", [])


def _step(job: Job, name: str, words: str, make: Callable[[Path], None]) -> Path:
    """A file or folder of the work, made once: it gets its name when it is whole."""
    place = job.work / name
    if not place.exists():
        job.tell(words, 0.0)
        unfinished = job.work / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.unlink(missing_ok=True) if unfinished.is_file() else None
        make(unfinished)
        unfinished.rename(place)
    return place


def _measured(job: Job, model: Path, engine: str, words: str) -> Measured:
    file = job.work / f"{words.rpartition(' ')[2]}.json"
    if not file.exists():
        job.tell(words, None)
        asked = Asked(str(model), engine, job.texts, job.spec.windows, job.spec.window_tokens, job.threads)
        _child(job, "farthing.lab.quantize.probe", asked, words, [str(job.work / "unfinished.json")])
        (job.work / "unfinished.json").rename(file)
    return msgspec.json.decode(file.read_bytes(), type=Measured)


def _child(job: Job, module: str, asked: msgspec.Struct, words: str, more: list[str]) -> None:
    """Run a step in a process of its own. Raises `CannotQuantize` with its last words."""
    request, log = job.work / "asked.json", job.work / "log.txt"
    request.write_bytes(msgspec.json.encode(asked))
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
    environment = os.environ | quiet | huge_pages(os.environ) | {"OMP_NUM_THREADS": str(job.threads)}
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "farthing.models.local.launch", sys.executable, "-m", module, str(request), *more]  # it ends when we do
        done = subprocess.run(command, stdout=sink, stderr=sink, env=environment, check=False)
    if done.returncode:
        said = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        ended = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with status {done.returncode}"
        raise CannotQuantize(said[-1] if done.returncode == 1 and said else f"{words}: the process {ended}. {said[-1] if said else ''}")


def _refuse_loss(spec: Spec, found: Comparison) -> None:
    """Raises `QualityLost`."""
    if spec.max_drop is None:
        return
    rise = found.ratio.value - 1
    if rise > spec.max_drop:
        hint = "Try a method with more bits, or raise --max-drop."
        raise QualityLost(
            f"The perplexity rises by {rise:.2%}, {spec.max_drop:.2%} are tolerated: nothing is kept, the original is as it was. {hint}"
        )
    old, new = found.accuracy_before, found.accuracy_after
    if old is not None and new is not None and old.value - new.value > spec.max_drop:
        fall = f"{old.value:.1%} of the tasks were right, {new.value:.1%} are"
        raise QualityLost(f"{fall}; {spec.max_drop:.2%} may be lost: nothing is kept, the original is as it was. Try a method with more bits.")


def _notes(method: Method, spec: Spec) -> tuple[str, ...]:
    notes: list[str] = []
    if spec.calibration and not method.calibrated:
        notes.append(f"{method.name} looks at no texts: --calibration made no difference")
    if method.family == "compressed":
        notes.append(f"speed and memory are unknown: they are those of the engine that serves it ({' or '.join(method.engines)}), see bench/gpu.sh")
    return tuple(notes)


def _stamp(spec: Spec, source: Path) -> str:
    """Changes when the spec or a file of the source does."""
    files = [source] if source.is_file() else sorted(path for path in source.iterdir() if path.is_file())
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(msgspec.json.encode((spec, facts))).hexdigest()


@contextmanager
def _workplace(work: Path, stamp: str) -> Generator[None]:
    """The folder of the work: kept when the run is stopped, gone when it is done or has failed. Raises `CannotQuantize` when it is in use."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotQuantize(f"Another run is at work in {work}. Wait for it, or give another --out.") from None
        marked = work / "stamp"
        if not marked.exists() or marked.read_text() != stamp:
            _empty(work)
            marked.write_text(stamp)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)


def _empty(work: Path) -> None:
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()
