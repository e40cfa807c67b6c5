"""Reading speed and memory of `farthing audit` on a log that looks like production's.

    python bench/audit.py                 64 MB, for a quick look
    python bench/audit.py --megabytes 1024    the size that the goals are for

The log is made once (kept under --scratch): a support chat with documents, a chat with history, a labelling endpoint, a nightly summary and an
agent, in a vocabulary of 6,000 words with Zipf's frequencies, with the waste that such logs have. Peak memory is that of the parent and its
children together, sampled from /proc twenty times a second.
"""

import argparse
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._harness import ROOT, Figure, print_table, save

GOAL_MB_S = 20.0
GOAL_PEAK_MB = 500.0
START = 1_763_337_600.0


class Writer:
    """Makes calls, deterministically."""

    def __init__(self, seed: int = 7) -> None:
        self.random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkqjxz"
        self.words = ["".join(self.random.choices(letters, weights=range(26, 0, -1), k=self.random.randint(2, 10))) for _ in range(6000)]
        self.weights = list(itertools.accumulate(1 / rank for rank in range(1, 6001)))
        self.passages = [self.text(90) for _ in range(4000)]
        self.questions = [self.text(14).rstrip(".") + "?" for _ in range(30_000)]
        self.system = {name: "\n".join(self.text(18) for _ in range(lines)) for name, lines in (("support", 60), ("chat", 12), ("agent", 90))}
        self.at = START

    def text(self, words: int) -> str:
        found = self.random.choices(self.words, cum_weights=self.weights, k=words)
        pieces = [" ".join(found[start : start + 12]).capitalize() + "." for start in range(0, words, 12)]
        return " ".join(pieces)

    def calls(self) -> Iterator[dict[str, Any]]:
        for number in itertools.count():
            self.at += self.random.expovariate(20.0)
            kind = self.random.choices((self.support, self.chat, self.label, self.summary, self.agent), weights=(35, 25, 15, 5, 20))[0]
            yield from kind(number)

    def support(self, number: int) -> Iterator[dict[str, Any]]:
        chosen = self.random.sample(self.passages, 5)
        question = self.questions[min(int(self.random.paretovariate(0.35)), len(self.questions) - 1)]
        context = "\n\n".join(f"[{at}] {text}" for at, text in enumerate(chosen, start=1))
        messages = [
            {"role": "system", "content": f"Today is {time.ctime(self.at)}.\n{self.system['support']}"},
            {"role": "user", "content": f"Context:\n{context}\n\nQuestion: {question}"},
        ]
        answer = f"{chosen[0][:260]} {self.text(24)}"
        yield self.call(number, "support", "gpt-4o", messages, answer, temperature=0.0)

    def chat(self, number: int) -> Iterator[dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": self.system["chat"]}]
        for _ in range(self.random.randint(1, 9)):
            messages += [{"role": "user", "content": self.text(30)}, {"role": "assistant", "content": self.text(90)}]
        messages.append({"role": "user", "content": self.text(25)})
        yield self.call(number, "chat", "gpt-4o", messages, self.text(self.random.randint(40, 260)), stream=True)

    def label(self, number: int) -> Iterator[dict[str, Any]]:
        messages = [
            {"role": "system", "content": "Classify the sentiment as positive, negative or neutral."},
            {"role": "user", "content": self.text(40)},
        ]
        yield self.call(number, "sentiment", "gpt-4o", messages, self.random.choice(("positive", "negative", "neutral")), max_tokens=5)

    def summary(self, number: int) -> Iterator[dict[str, Any]]:
        messages = [{"role": "user", "content": "Summarise this document:\n\n" + "\n\n".join(self.random.sample(self.passages, 12))}]
        yield self.call(number, "nightly-summary", "gpt-4o-mini", messages, self.text(120))

    def agent(self, number: int) -> Iterator[dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": self.system["agent"]}, {"role": "user", "content": self.text(40)}]
        for step in range(2):
            yield self.call(number, "agent", "claude-sonnet-4-5", messages, None if step == 0 else self.text(90), tools=True)
            messages = [*messages, {"role": "assistant", "content": "Looking."}, {"role": "tool", "content": self.random.choice(self.passages)}]

    def call(self, number: int, endpoint: str, model: str, messages: list[dict[str, Any]], answer: str | None, **options: Any) -> dict[str, Any]:
        tools = options.pop("tools", False)
        body: dict[str, Any] = {"model": model, "messages": messages, **options}
        message: dict[str, Any] = {"role": "assistant", "content": answer}
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}]
            if answer is None:
                message["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}]
        size = sum(len(one["content"]) for one in messages)
        usage = {"prompt_tokens": size // 4 + 10, "completion_tokens": len(answer or "x" * 80) // 4 + 1}
        return {
            "timestamp": self.at,
            "latency_ms": 300 + usage["completion_tokens"] * 12,
            "endpoint": endpoint,
            "run_id": f"run-{number}",
            "user_id": f"u{number % 5000}",
            "request": body,
            "response": {"id": f"c{number}", "object": "chat.completion", "model": model, "choices": [{"message": message}], "usage": usage},
        }


def make(path: Path, megabytes: int) -> None:
    """The log, unless it is there already."""
    if path.exists() and path.stat().st_size >= megabytes * 1_000_000:
        return
    with path.open("wb") as file:
        for call in Writer().calls():
            file.write(json.dumps(call).encode() + b"\n")
            if file.tell() >= megabytes * 1_000_000:
                return


class Peak(threading.Thread):
    """Resident memory of a process and all that descends from it, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.mb, self.parent_mb, self.done = pid, 0.0, 0.0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            sizes = [_resident_mb(pid) for pid in (self.pid, *_descendants(self.pid))]
            self.mb, self.parent_mb = max(self.mb, sum(sizes)), max(self.parent_mb, sizes[0])


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in _descendants(child)]


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=64)
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "farthing-bench-audit")
    options.add_argument("--processes", type=int, default=0, help="0: one per core")
    given = options.parse_args()
    given.scratch.mkdir(parents=True, exist_ok=True)
    log = given.scratch / f"traffic-{given.megabytes}.jsonl"
    make(log, given.megabytes)
    command = [sys.executable, "-m", "farthing", "audit", str(log), "--out", str(given.scratch / "out"), "--json"]
    if given.processes:
        command += ["--processes", str(given.processes)]
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    peak = Peak(child.pid)
    peak.start()
    status = child.wait()
    wall_s = time.perf_counter() - started
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = spent.ru_utime + spent.ru_stime
    peak.done.set()
    found = json.loads((given.scratch / "out" / "playbook.json").read_text())
    size_mb = log.stat().st_size / 1e6
    figures = [
        Figure(
            "read and weighed",
            size_mb / wall_s,
            "MB/s",
            GOAL_MB_S,
            at_most=False,
            note=f"{size_mb:,.0f} MB in {wall_s:,.1f} s, {os.cpu_count()} cores",
        ),
        Figure(
            "per second of processor time, two cores",
            2 * size_mb / cpu_s,
            "MB/s",
            GOAL_MB_S,
            at_most=False,
            note=f"{cpu_s:,.1f} s; on an idle machine",
        ),
        Figure("calls", found["calls"] / wall_s, "/s", None, note=f"{found['calls']:,} calls, {size_mb * 1e6 / found['calls']:,.0f} bytes each"),
        Figure("peak memory, all processes", peak.mb, "MB", GOAL_PEAK_MB, note=f"parent alone {peak.parent_mb:,.0f} MB"),
    ]
    met = print_table("farthing audit", figures)
    for one in found["findings"]:
        print(f"  {one['title']:<50} {float(one['per']['per_1k']):>10.4f} USD/1K  {one['certainty']}")
    save("audit", figures, {"wall_s": wall_s, "megabytes": given.megabytes, "findings": [one["kind"] for one in found["findings"]]})
    return 0 if status == 0 and met else 1


if __name__ == "__main__":
    sys.exit(main())
