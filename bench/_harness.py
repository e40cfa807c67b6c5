"""What the benchmarks share: a gateway pinned to core 0, the load tool and a mock service on core 1, and tables with a goal beside each figure.

The load tool lives in `../shared/bench` (a C load generator, a C mock upstream); a benchmark without it says so and stops. Everything that
production would have on is on: a virtual key with request, token and money limits, routing rules, the exact cache, the durable ledger.
"""

import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOL = Path(os.environ.get("FARTHING_BENCH_TOOL", ROOT.parent / "shared" / "bench"))
OUT = Path(os.environ.get("FARTHING_BENCH_OUT", ROOT / "bench" / "out"))
GATEWAY_CORE, LOAD_CORE = "0", "1"
sys.path.insert(0, str(ROOT))

CONFIG = """
[services.openai]
base_url = "{base_url}/v1"
api_key_env = "MOCK_KEY"
models = ["gpt-*"]

[tiers]
cheap = ["openai/gpt-4o-mini"]
expensive = ["openai/gpt-4o"]

[limits.key]
requests_per_minute = 100000000
tokens_per_minute = 1000000000000
daily_usd = 1000000
monthly_usd = 10000000

[log]
level = "warning"
"""


def load_tool() -> ModuleType:
    """`bench_gateway.py` as a module; ends the program when it is absent."""
    path = TOOL / "bench_gateway.py"
    if not path.exists():
        raise SystemExit(f"The load tool is not at {TOOL}; set FARTHING_BENCH_TOOL to its folder.")
    spec = importlib.util.spec_from_file_location("bench_gateway", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table."""

    name: str
    value: float | None
    unit: str
    goal: float | None  # None: a reference, measured in the same run
    at_most: bool = True
    note: str = ""

    @property
    def met(self) -> bool:
        if self.goal is None:
            return True
        return self.value is not None and (self.value <= self.goal if self.at_most else self.value >= self.goal)


class Bench:
    """Mock, gateway and key of one benchmark."""

    def __init__(self, gateway: Any, key: str, mock_port: int, mock_pid: int, tool: ModuleType, build: str) -> None:
        self.gateway = gateway
        self._key = key
        self._mock_port = mock_port
        self._mock_pid = mock_pid
        self._tool = tool
        self._loadgen = tool.build("loadgen", build)

    @property
    def chat_url(self) -> str:
        return f"{self.gateway.base_url}/v1/chat/completions"

    @property
    def mock_url(self) -> str:
        return f"http://127.0.0.1:{self._mock_port}/v1/chat/completions"

    def body(self, name: str, **change: Any) -> Path:
        """A request body of the tool, with fields changed, as a file."""
        made = self.gateway.directory / f"{abs(hash(json.dumps(change)))}-{name}"
        made.write_text(json.dumps({**json.loads((TOOL / name).read_text()), **change}))
        return made

    def run(self, body: Path, *, url: str | None = None, stream: bool = False, **options: Any) -> dict[str, Any]:
        """One run of the load tool against the gateway (or `url`), with CPU and memory of the gateway."""
        headers = [f"Authorization: Bearer {self._key}"]
        match = "[DONE]" if stream else "choices"
        pids = options.pop("pids", (self.gateway.pid,) if url is None else ())
        target, own = url or self.chat_url, (self._mock_pid,)
        return self._tool.run(target, body, headers, match=match, pids=pids, loadgen=self._loadgen, pin=LOAD_CORE, own=own, **options)

    def median(self, runs: int, body: Path, **options: Any) -> dict[str, Any]:
        """Figure by figure the median of several runs; errors are summed."""
        found = [self.run(body, **options) for _ in range(runs)]
        middle = {name: statistics.median(values) for name in found[0] if len(values := _numbers(found, name)) == len(found)}
        return middle | {"errors": sum(one["errors"] for one in found), "runs": found}


@contextmanager
def bare_uvicorn() -> Iterator[tuple[str, int]]:
    """The floor, on the gateway's core: its URL and process. Measure it in the same run: machines differ, and differ by the minute."""
    from tests.fakes.gateway import free_port

    port = free_port()
    floor = subprocess.Popen(["taskset", "-c", GATEWAY_CORE, sys.executable, str(ROOT / "bench" / "bare_uvicorn.py"), str(port)])
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1/chat/completions", floor.pid
    finally:
        floor.terminate()
        floor.wait()


def _numbers(runs: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [run[name] for run in runs if isinstance(run.get(name), int | float)]


@contextmanager
def bench(extra: str = "", mock_arguments: Sequence[str] = ()) -> Iterator[Bench]:
    """Everything running, and stopped at the end."""
    from tests.fakes.gateway import Gateway, free_port

    tool = load_tool()
    with tempfile.TemporaryDirectory(prefix="farthing-bench-") as scratch:
        build = os.environ.get("BENCH_BUILD", scratch)
        port = free_port()
        command = ["taskset", "-c", LOAD_CORE, tool.build("mock_upstream", build), "-p", str(port), *mock_arguments]
        mock = subprocess.Popen(command)
        config = CONFIG.format(base_url=f"http://127.0.0.1:{port}") + extra
        try:
            with Gateway(config, env={"MOCK_KEY": "sk-mock"}, prefix=("taskset", "-c", GATEWAY_CORE)) as gateway:
                key = gateway.new_key("--tenant", "bench")
                time.sleep(1.5)  # the gateway takes notice of new keys within a second
                yield Bench(gateway, key, port, mock.pid, tool, build)
        finally:
            mock.terminate()
            mock.wait()


def print_table(title: str, figures: Sequence[Figure]) -> bool:
    """The table, goal beside each figure; True when all are met."""
    print(f"\n{title}")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        value = "none" if figure.value is None else f"{figure.value:,.{4 if figure.unit == 'x' else 1}f}"
        sign = "<=" if figure.at_most else ">="
        goal = "reference" if figure.goal is None else f"goal {sign} {figure.goal:,.{2 if figure.unit == 'x' else 0}f}"
        verdict = "" if figure.goal is None else "MET" if figure.met else "MISSED"
        print(f"  {figure.name:<{width}}  {value:>10} {figure.unit:<5} {goal:<16} {verdict:<6} {figure.note}")
    return all(figure.met for figure in figures)


def print_promises(name: str, files: Sequence[str], scale: Mapping[str, str]) -> int:
    """Run tests at another scale; the figures that they print go to `bench/out/NAME.txt` as well. Returns pytest's status."""
    OUT.mkdir(parents=True, exist_ok=True)
    figures = OUT / f"{name}.txt"
    figures.unlink(missing_ok=True)
    env = os.environ | dict(scale) | {"FARTHING_FIGURES": str(figures)}
    status = subprocess.run([sys.executable, "-m", "pytest", *files], cwd=ROOT, env=env, check=False).returncode
    print("\n" + figures.read_text() if figures.exists() else "\nno figures")
    return status


def save(name: str, figures: Sequence[Figure], raw: Any) -> None:
    """`bench/out/NAME.json`."""
    OUT.mkdir(parents=True, exist_ok=True)
    rows = [
        {"name": one.name, "value": one.value, "unit": one.unit, "goal": one.goal, "at_most": one.at_most, "met": one.met, "note": one.note}
        for one in figures
    ]
    (OUT / f"{name}.json").write_text(json.dumps({"figures": rows, "raw": raw}, indent=1, default=str) + "\n")
