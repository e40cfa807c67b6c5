"""Quantized models: what they lose, what they gain, and what the gateway in front of the engine costs. `python bench/quantize.py`

  --only tiny      perplexity against 16 bits, on the trained model of two million parameters (tests/assets/tiny_llama); GPTQ, AWQ and int8 need
                   the extra `quantize`, GGUF the extra `local`
  --only speed     decode tokens/s and the share of the memory's bandwidth, on random weights of a gigabyte and more (speed does not depend on values)
  --only native    the same with a llama.cpp compiled for this processor, if its llama-bench is on PATH
  --only parallel  eight requests at once against one, through the engine's own server
  --only gateway   the same requests direct and through the gateway, in turns
  --only order     24 callers with 8 system prompts before 4 slots: in the engine's own line, and in the gateway's order
  --only vllm      checkpoints in vLLM, where it is installed (bench/gpu.sh asks for it)

Sections write to bench/out/quantize-SECTION.json. Models are made under --work, once; a run that was stopped goes on there. Timings are the best of
several: other work on the machine only ever makes them worse. The load average is written beside them.
"""

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._harness import Figure, print_table, save  # noqa: E402
from bench._line import Line, place_us, stand_in_line  # noqa: E402
from tests.fakes.checkpoint import Size, write_checkpoint  # noqa: E402
from tests.fakes.gateway import Gateway, free_port  # noqa: E402
from tests.fakes.local import Engines  # noqa: E402

from farthing.lab.quantize.base import Measured, Spec  # noqa: E402
from farthing.lab.quantize.checkpoint import open_checkpoint  # noqa: E402
from farthing.lab.quantize.convert import to_gguf  # noqa: E402
from farthing.lab.quantize.probe import Asked  # noqa: E402
from farthing.lab.quantize.report import Report, compare  # noqa: E402
from farthing.lab.quantize.run import quantize  # noqa: E402
from farthing.lab.quantize.shrink import shrink  # noqa: E402
from farthing.lab.quantize.texts import Evaluation  # noqa: E402
from farthing.models.local.pages import huge_pages  # noqa: E402

TINY = ROOT / "tests" / "assets" / "tiny_llama"
CORES = os.cpu_count() or 1
# TinyLlama's shape, its embeddings tied: 1.03 billion parameters, 2.1 GB in 16 bits.
BILLION = Size(hidden=2048, middle=5632, layers=22, heads=32, kv_heads=4, vocabulary=32000, context=2048)
SMALL = Size(hidden=512, middle=1536, layers=4, heads=8, kv_heads=4, vocabulary=2048, context=2048)
MINI = Size(hidden=256, middle=512, layers=4, heads=4, kv_heads=2, vocabulary=320, context=2048)
GIB = 1024**3


def tiny(work: Path, windows: int) -> tuple[list[Figure], Any]:
    """Perplexities on text that was held out of the training."""
    wanted = ["gguf:q8_0", "gguf:q4_k_m", "int8:w8a8", "rtn:w4a16", "gptq:w4a16", "rtn:w4a16_asym", "awq:w4a16"]
    there = [name for name in wanted if name.startswith("gguf") or find_spec("llmcompressor")]
    reports = {name: _quantized(work, name, windows) for name in there}
    figures = [
        _ratio("q8_0 (llama.cpp), perplexity to 16 bits", reports.get("gguf:q8_0"), 1.01),
        _ratio("q4_k_m (llama.cpp), perplexity to 16 bits", reports.get("gguf:q4_k_m"), 1.05),
        _ratio("int8 w8a8 (SmoothQuant, GPTQ), perplexity to 16 bits", reports.get("int8:w8a8"), 1.01),
        _ratio("rounded to nearest w4a16, symmetric", reports.get("rtn:w4a16"), None),
        _ratio("gptq w4a16, symmetric", reports.get("gptq:w4a16"), None),
        _ratio("rounded to nearest w4a16, asymmetric", reports.get("rtn:w4a16_asym"), None),
        _ratio("awq w4a16, asymmetric", reports.get("awq:w4a16"), None),
        _against("gptq to rounded to nearest", reports.get("gptq:w4a16"), reports.get("rtn:w4a16")),
        _against("awq to rounded to nearest", reports.get("awq:w4a16"), reports.get("rtn:w4a16_asym")),
    ]
    return figures, {name: msgspec.to_builtins(report) for name, report in reports.items()}


def _quantized(work: Path, method: str, windows: int) -> Report:
    print(f"{method} ...", flush=True)
    texts = {"calibration": str(TINY / "calibration.txt"), "evaluation": str(TINY / "evaluation.txt")}
    spec = Spec(str(TINY), method, windows=windows, calibration_samples=128, **texts)
    return quantize(spec, work / f"tiny-{method.replace(':', '-')}", machine_usd_per_hour=None, threads=1, tell=lambda *_: None)


def _ratio(name: str, report: Report | None, goal: float | None) -> Figure:
    if report is None:
        return Figure(name, None, "x", goal, note="not measured: the extra `quantize` is not installed")
    found = report.comparison
    note = f"95 % interval {found.ratio.low:.4f} to {found.ratio.high:.4f}; {found.perplexity_before:.3f} -> {found.perplexity_after:.3f}"
    return Figure(name, found.ratio.value, "x", goal, note=note)


def _against(name: str, one: Report | None, reference: Report | None) -> Figure:
    """Perplexity of one method to that of the reference, over the same windows: under 1 is better."""
    if one is None or reference is None:
        return Figure(name, None, "x", 1.0, note="not measured: the extra `quantize` is not installed")
    found = compare(reference.comparison.after, one.comparison.after, 0).ratio
    return Figure(name, found.value, "x", 1.0, note=f"95 % interval {found.low:.4f} to {found.high:.4f}")


def models(work: Path, size: Size) -> dict[str, Path]:
    """The random checkpoint as GGUF in 16, 8 and 4 bits."""
    files = {name: work / f"{size.hidden}x{size.layers}-{name}.gguf" for name in ("f16", "q8_0", "q4_k_m")}
    if not files["f16"].exists():
        print("making the checkpoint ...", flush=True)
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            checkpoint = open_checkpoint(write_checkpoint(Path(scratch) / "model", size))
            to_gguf(checkpoint, Path(scratch) / "wide.gguf", lambda _: None)
            (Path(scratch) / "wide.gguf").rename(files["f16"])
    for name in ("q8_0", "q4_k_m"):
        if not files[name].exists():
            print(f"quantizing to {name} ...", flush=True)
            shrink(files["f16"], work / "unfinished.gguf", name, CORES, lambda _: None)
            (work / "unfinished.gguf").rename(files[name])
    return files


def bandwidth(megabytes: int = 512) -> float:
    """Bytes a second that all cores together read from memory: the best of ten passes over arrays far larger than the caches (STREAM's way)."""
    parts = [np.ones(megabytes * 262144, np.float32) for _ in range(CORES)]
    best = 0.0
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(10):
            began = time.perf_counter()
            list(pool.map(lambda part: float(np.dot(part, part)), parts))  # reads it once: both operands are the same memory
            best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - began))
    return best


def speed(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """One sequence, in a process of its own, in turns: the best of `rounds`."""
    files = models(work, size)
    bytes_per_s = 0.0
    best: dict[str, Measured] = {}
    for _ in range(rounds):
        bytes_per_s = max(bytes_per_s, bandwidth())
        for name, file in files.items():
            found = _probed(work, file)
            if name not in best or (found.decode_tokens_per_s or 0) > (best[name].decode_tokens_per_s or 0):
                best[name] = found
    decode = {name: found.decode_tokens_per_s or math.nan for name, found in best.items()}
    share = {name: decode[name] * found.size_bytes / bytes_per_s for name, found in best.items()}
    wide = best["f16"]
    load = f"load average {os.getloadavg()[0]:.1f}"
    figures = [
        Figure("decode, 16 bits", decode["f16"], "tok/s", None, note=f"{wide.size_bytes / GIB:.2f} GiB; {load}"),
        Figure("decode, q8_0 to 16 bits", decode["q8_0"] / decode["f16"], "x", 1.6, at_most=False, note=f"{decode['q8_0']:.2f} tok/s"),
        Figure("decode, q4_k_m to 16 bits", decode["q4_k_m"] / decode["f16"], "x", 2.5, at_most=False, note=f"{decode['q4_k_m']:.2f} tok/s"),
        Figure("memory bandwidth, all cores reading", bytes_per_s / 1e9, "GB/s", None),
        Figure("share of it at q8_0", 100 * share["q8_0"], "%", 70, at_most=False, note="weights read a second / bandwidth"),
        Figure("share of it at 16 bits", 100 * share["f16"], "%", None),
        Figure("share of it at q4_k_m", 100 * share["q4_k_m"], "%", None),
    ]
    for name in ("q8_0", "q4_k_m"):
        memory, prefill = _quotient(best[name].memory_bytes, wide.memory_bytes), _quotient(best[name].prefill_tokens_per_s, wide.prefill_tokens_per_s)
        figures.append(Figure(f"memory of the process, {name} to 16 bits", memory, "x", None, note=f"{(best[name].memory_bytes or 0) / GIB:.2f} GiB"))
        figures.append(Figure(f"prefill, {name} to 16 bits", prefill, "x", None, note=f"{best[name].prefill_tokens_per_s or 0:.1f} tok/s"))
    return figures, {"bandwidth": bytes_per_s, "load": os.getloadavg(), **{name: msgspec.to_builtins(found) for name, found in best.items()}}


def native(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """The same with a llama.cpp that was compiled for this processor: its own llama-bench, where that is on PATH."""
    program = shutil.which("llama-bench")
    if program is None:
        return [Figure("llama-bench", None, "tok/s", None, note="not measured: no llama-bench on PATH")], None
    bytes_per_s, best = 0.0, dict[str, float]()
    files = models(work, size)
    for _ in range(rounds):
        bytes_per_s = max(bytes_per_s, bandwidth())
        for name, file in files.items():
            command = [program, "-m", str(file), "-t", str(CORES), "-p", "0", "-n", "32", "-r", "1", "-o", "json", "--load-mode", "none"]
            done = subprocess.run(command, check=True, env=os.environ | huge_pages(os.environ), capture_output=True)
            best[name] = max(best.get(name, 0.0), *(run["avg_ts"] for run in msgspec.json.decode(done.stdout)))
    share = 100 * best["q8_0"] * files["q8_0"].stat().st_size / bytes_per_s
    figures = [
        Figure("llama-bench, decode, 16 bits", best["f16"], "tok/s", None, note=f"load average {os.getloadavg()[0]:.1f}"),
        Figure("llama-bench, decode, q8_0 to 16 bits", best["q8_0"] / best["f16"], "x", 1.6, at_most=False, note=f"{best['q8_0']:.2f} tok/s"),
        Figure("llama-bench, decode, q4_k_m to 16 bits", best["q4_k_m"] / best["f16"], "x", 2.5, at_most=False, note=f"{best['q4_k_m']:.2f} tok/s"),
        Figure("llama-bench, share of the memory's bandwidth at q8_0", share, "%", 70, at_most=False, note=f"of {bytes_per_s / 1e9:.1f} GB/s"),
    ]
    return figures, {"bandwidth": bytes_per_s, "best": best}


def _quotient(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _probed(work: Path, file: Path) -> Measured:
    asked, out = work / "asked.json", work / "measured.json"
    text = Evaluation("speed does not depend on what is read. " * 60)
    asked.write_bytes(msgspec.json.encode(Asked(str(file), "llama.cpp", text, 2, 64, CORES)))
    subprocess.run([sys.executable, "-m", "farthing.lab.quantize.probe", str(asked), str(out)], check=True, env=os.environ | huge_pages(os.environ))
    return msgspec.json.decode(out.read_bytes(), type=Measured)


@contextmanager
def engine(work: Path, model: Path, slots: int, threads: int, *, context: int = 512, cache_mb: int = 0) -> Iterator[tuple[int, str]]:
    """An engine with that model; its port, and the configuration of a gateway in front of it."""
    port = free_port()
    config = f"""
[local.model]
model = "{model}"
port = {port}
slots = {slots}
threads = {threads}
context_tokens = {context}
prompt_cache_mb = {cache_mb}

[services.model]
local = "model"

[tiers]
cheap = ["model/model"]
expensive = ["model/model"]

[cache]
enabled = false

[log]
level = "warning"
"""
    place = work / "engine.toml"
    place.write_text(config)
    with Engines(place, "model"):
        yield port, config


def answer(url: str, model: str, prompt: str, tokens: int, client: httpx.Client) -> tuple[int, float]:
    """Tokens written, and seconds."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    began = time.perf_counter()
    reply = client.post(f"{url}/v1/chat/completions", json=body)
    took = time.perf_counter() - began
    reply.raise_for_status()
    return int(reply.json()["usage"]["completion_tokens"]), took


def throughput(url: str, model: str, at_once: int, tokens: int, client: httpx.Client) -> float:
    """Tokens a second over all requests."""
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        written = list(pool.map(lambda at: answer(url, model, f"{at} {began}", tokens, client)[0], range(at_once)))
    return sum(written) / (time.perf_counter() - began)


def parallel(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """One and eight in turns, best of `rounds`, at 8 bits."""
    found: dict[int, list[float]] = {1: [], 8: []}
    with engine(work, models(work, size)["q8_0"], 8, CORES) as (port, _), httpx.Client(timeout=600) as client:
        for _ in range(rounds):
            for at_once, speeds in found.items():
                speeds.append(throughput(f"http://127.0.0.1:{port}", "model", at_once, 24, client))
    one, eight = max(found[1]), max(found[8])
    figures = [
        Figure("one request", one, "tok/s", None, note=f"load average {os.getloadavg()[0]:.1f}"),
        Figure("eight at once to one", eight / one, "x", 2.0, at_most=False, note=f"{eight:.1f} tok/s"),
    ]
    return figures, {str(at_once): speeds for at_once, speeds in found.items()}


def gateway(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """Direct and through the gateway in turns. Latency: one token of the small model. Throughput: eight streams of the large one."""
    files = models(work, SMALL)
    with engine(work, files["q8_0"], 8, 1) as (port, config), Gateway(config) as door, httpx.Client(timeout=600) as client:
        direct, through = f"http://127.0.0.1:{port}", door.base_url
        pairs = [(_once(direct, "model", client), _once(through, "model/model", client)) for _ in range(40 * rounds)]
    added_ms = [1000 * (through_s - direct_s) for direct_s, through_s in pairs[5:]]
    with engine(work, models(work, size)["q4_k_m"], 8, CORES) as (port, config), Gateway(config) as door, httpx.Client(timeout=600) as client:
        ways = {"direct": (f"http://127.0.0.1:{port}", "model"), "through": (door.base_url, "model/model")}
        speeds: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds):
            for way in sorted(ways, reverse=bool(turn % 2)):
                speeds[way].append(throughput(*ways[way], 8, 24, client))
    lost = 1 - max(speeds["through"]) / max(speeds["direct"])
    quarter = statistics.quantiles(added_ms, n=4)
    note = f"quartiles {quarter[0]:.2f} to {quarter[2]:.2f} ms, {len(added_ms)} pairs; load average {os.getloadavg()[0]:.1f}"
    figures = [
        Figure("added by the gateway, median of pairs", statistics.median(added_ms), "ms", 1.0, note=note),
        Figure("added by the gateway, best to best", 1000 * (min(b for _, b in pairs) - min(a for a, _ in pairs)), "ms", None),
        Figure("throughput lost, eight at once", 100 * lost, "%", 1.0, note=f"best of {rounds}: {max(speeds['direct']):.1f} tok/s direct"),
    ]
    return figures, {"added_ms": added_ms, "speeds": speeds}


def order(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """The same calls in both lines, in turns, on one engine; once with a memory for prompts that have left their slot, once without."""
    del size
    figures = [Figure(f"CPU of a place taken and given back, prompt of {size} bytes", place_us(size), "us", None) for size in (100, 8000)]
    figures.append(Figure("CPU of a place given where 100 wait", place_us(100, waiting=100), "us", None))
    raw = dict[str, Any]()
    for cache_mb, words in ((0, "slots alone remember"), (8, "8 MB beside them")):
        lines: dict[str, list[Line]] = {"unbounded": [], "measured": []}
        with engine(work, models(work, MINI)["q8_0"], 4, 1, context=2048, cache_mb=cache_mb) as (_, config):
            for turn in range(2 * rounds):
                line = "measured" if turn % 4 in (1, 2) else "unbounded"
                with Gateway(config.replace('local = "model"', f'local = "model"\nat_once = "{line}"\nfirst_byte_timeout_s = 300')) as door:
                    lines[line].append(stand_in_line(door.base_url, turn))
        own, ours = lines["unbounded"], lines["measured"]
        for name, which, goal, at_most, unit in _LINES:
            before, after = (statistics.median(getattr(one, which) for one in arm) for arm in (own, ours))
            note = f"{before:.4g} to {after:.4g} {unit}, medians of {rounds}"
            figures.append(Figure(f"{name}, {words}", after / before, "x", goal, at_most=at_most, note=note))
        raw[str(cache_mb)] = {line: [asdict(one) for one in found] for line, found in lines.items()}
    return figures, raw | {"load": os.getloadavg()}


_LINES: tuple[tuple[str, str, float | None, bool, str], ...] = (
    ("tokens/s, ordered to own line", "tokens_per_s", 1.0, False, "tok/s"),
    ("median of a call, ordered to own line", "p50_s", None, True, "s"),
    ("p99 of a call, ordered to own line", "p99_s", None, True, "s"),
    ("prompt tokens found computed, ordered to own line", "found", None, False, "of all"),
)


def vllm(work: Path, size: Size, rounds: int) -> tuple[list[Figure], Any]:
    """The original and what GPTQ, AWQ and int8 make of it, in vLLM: one request and 32 at once, best of `rounds`."""
    if shutil.which("vllm") is None:
        return [Figure("vLLM", None, "tok/s", None, note="not measured: vLLM is not installed")], None
    source = work / f"{size.hidden}x{size.layers}"
    if not source.exists():
        write_checkpoint(work / "unfinished", size).rename(source)
    found: dict[str, dict[str, float]] = {}
    for method in ("original", "gptq:w4a16", "awq:w4a16", "int8:w8a8"):
        folder = source
        if method != "original":
            folder = work / f"{size.hidden}x{size.layers}-{method.replace(':', '-')}"
            quantize(Spec(str(source), method, windows=2), folder, machine_usd_per_hour=None, threads=CORES, tell=lambda *_: None)
        with engine(work, folder, 32, CORES) as (port, _), httpx.Client(timeout=600) as client:
            speeds = {at_once: [throughput(f"http://127.0.0.1:{port}", "model", at_once, 128, client) for _ in range(rounds)] for at_once in (1, 32)}
        size_gib = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / GIB
        found[method] = {"one": max(speeds[1]), "many": max(speeds[32]), "gib": size_gib}
    figures = [
        Figure(f"{method}, {words}", one[key], "tok/s", None, note=f"{one['gib']:.2f} GiB of weights")
        for method, one in found.items()
        for key, words in (("one", "one request"), ("many", "32 at once"))
    ]
    return figures, found


def _once(url: str, model: str, client: httpx.Client) -> float:
    return answer(url, model, f"{time.perf_counter()}", 1, client)[1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="tiny,speed,native,parallel,gateway", help="sections, comma between them")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "farthing-bench-quantize")
    parser.add_argument("--small", action="store_true", help="a small random model in place of the large one: only to see that it runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=128)
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    size, met = SMALL if options.small else BILLION, True
    sections = {
        "tiny": lambda: tiny(options.work, options.windows),
        "speed": lambda: speed(options.work, size, options.rounds),
        "native": lambda: native(options.work, size, options.rounds),
        "parallel": lambda: parallel(options.work, size, options.rounds),
        "gateway": lambda: gateway(options.work, size, options.rounds),
        "order": lambda: order(options.work, size, options.rounds),
        "vllm": lambda: vllm(options.work, size, options.rounds),
    }
    for name in options.only.split(","):
        figures, raw = sections[name]()
        met &= print_table(f"Quantized models: {name}", figures)
        save(f"quantize-{name}", figures, raw)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
