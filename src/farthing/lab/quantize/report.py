"""What a run found: as JSON for machines, as lines for people, and the command that serves the result."""

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from farthing.lab import statistics
from farthing.lab.quantize.base import METHODS, Comparison, Measured, Spec
from farthing.lab.statistics import Estimate

FILE = "quantization.json"
_GIB, _DRAWS = 1024**3, 4000


class Report(msgspec.Struct, frozen=True):
    """`quantization.json` beside the result."""

    spec: Spec
    source_bytes: int  # of the checkpoint as it was given
    parameters: int
    comparison: Comparison
    machine_usd_per_hour: float | None
    usd_per_mtok_before: float | None
    usd_per_mtok_after: float | None  # of output, one sequence at a time: batching divides it
    serve: str
    took_s: float
    tools: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def compare(before: Measured, after: Measured, seed: int) -> Comparison:
    """Both over the same windows. The interval comes from drawing the windows again, in pairs, so that what they share does not blur it."""
    scored = np.array(before.scored, dtype=np.float64)
    old, new = np.array(before.nll), np.array(after.nll)
    value = math.exp((new.sum() - old.sum()) / scored.sum())
    picks = np.random.default_rng(seed).integers(0, len(scored), (_DRAWS, len(scored)))
    draws = np.exp((new - old)[picks].sum(axis=1) / scored[picks].sum(axis=1))
    low, high = (float(edge) for edge in np.quantile(draws, (0.025, 0.975)))
    return Comparison(
        before,
        after,
        perplexity_before=math.exp(old.sum() / scored.sum()),
        perplexity_after=math.exp(new.sum() / scored.sum()),
        ratio=Estimate(value, low, high, len(scored)),
        accuracy_before=_share(before.right),
        accuracy_after=_share(after.right),
    )


def usd_per_mtok(tokens_per_s: float | None, machine_usd_per_hour: float | None) -> float | None:
    """Of a machine that does nothing else. Unknown where one of them is."""
    if tokens_per_s is None or machine_usd_per_hour is None:
        return None
    return machine_usd_per_hour / (tokens_per_s * 3600) * 1e6


def serve_command(method: str, place: Path) -> str:
    """How the result is served."""
    return f"farthing local up --model {place}" if METHODS[method].family == "gguf" else f"vllm serve {place}"


def lines(report: Report) -> list[str]:
    """The report for people."""
    found = report.comparison
    before, after = found.before, found.after
    low, high = found.ratio.low, found.ratio.high
    interval = "" if low is None or high is None else f" (95 % interval {low:.4f} to {high:.4f}, {found.ratio.runs} windows)"
    rows: list[tuple[str, str, str, str]] = [
        ("", "before", "after", "ratio"),
        ("size", _gib(before.size_bytes), _gib(after.size_bytes), f"{after.size_bytes / before.size_bytes:.3f}"),
        ("perplexity", f"{found.perplexity_before:.3f}", f"{found.perplexity_after:.3f}", f"{found.ratio.value:.4f}"),
        *_accuracy(found),
        ("prefill tokens/s", *_pair(before.prefill_tokens_per_s, after.prefill_tokens_per_s)),
        ("decode tokens/s", *_pair(before.decode_tokens_per_s, after.decode_tokens_per_s)),
        ("memory, measuring", *_pair_of_sizes(before.memory_bytes, after.memory_bytes)),
        ("USD per 1M output tokens", *_pair(report.usd_per_mtok_before, report.usd_per_mtok_after)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        *(_row(row, widths) for row in rows),
        f"perplexity ratio {found.ratio.value:.4f}{interval}; measured in {after.engine}",
        *report.notes,
        f"serve: {report.serve}",
    ]


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (text.rjust(width) if at else text.ljust(width) for at, (text, width) in enumerate(zip(cells, widths, strict=True)))
    return "  ".join((first, *others)).rstrip()


def encoded(report: Report) -> bytes:
    """As `quantization.json`, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def _share(right: tuple[int, ...]) -> Estimate | None:
    return statistics.ratio(np.array(right, dtype=np.float64), np.ones(len(right))) if right else None


def _accuracy(found: Comparison) -> list[tuple[str, str, str, str]]:
    old, new = found.accuracy_before, found.accuracy_after
    return [] if old is None or new is None else [("tasks right", _interval(old), _interval(new), "")]


def _interval(share: Estimate) -> str:
    if share.low is None or share.high is None:
        return f"{share.value:.1%}"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _pair(before: float | None, after: float | None) -> tuple[str, str, str]:
    if before is None or after is None:
        return ("unknown", "unknown", "")
    return (f"{before:,.2f}", f"{after:,.2f}", f"{after / before:.3f}")


def _pair_of_sizes(before: int | None, after: int | None) -> tuple[str, str, str]:
    if before is None or after is None:
        return ("unknown", "unknown", "")
    return (_gib(before), _gib(after), f"{after / before:.3f}")


def _gib(size: int) -> str:
    return f"{size / _GIB:.3f} GiB"


def tool_versions(names: tuple[str, ...]) -> dict[str, Any]:
    """Versions of what is installed of them."""
    from importlib import metadata

    found: dict[str, Any] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
