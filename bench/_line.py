"""Callers in line before an engine with few slots, each with one of a few long system prompts."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Line:
    """What came of one run of callers."""

    tokens_per_s: float
    p50_s: float
    p99_s: float
    found: float  # share of the prompts' tokens that were in the engine's memory


_CALLERS, _KINDS, _EACH, _TOKENS = 24, 8, 5, 24


def stand_in_line(url: str, seed: int) -> Line:
    """Each caller asks one question after the other under its own system prompt, of about 1,200 tokens."""
    draw = random.Random(seed)
    systems = [
        "".join(draw.choice("bcdfghklmnprstvw") + draw.choice("aeiou") + (" " if at % 3 == 2 else "") for at in range(900)) for _ in range(_KINDS)
    ]

    def ask(caller: int) -> list[tuple[float, int, int, int]]:
        found: list[tuple[float, int, int, int]] = []
        with httpx.Client(timeout=600) as client:
            for number in range(_EACH):
                messages = [{"role": "system", "content": systems[caller % _KINDS]}, {"role": "user", "content": f"{caller} {number}"}]
                body = {"model": "model/model", "messages": messages, "max_tokens": _TOKENS, "temperature": 0, "ignore_eos": True}
                began = time.perf_counter()
                reply = client.post(f"{url}/v1/chat/completions", json=body)
                took = time.perf_counter() - began
                reply.raise_for_status()
                usage = reply.json()["usage"]
                cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
                found.append((took, usage["completion_tokens"], usage["prompt_tokens"], cached))
        return found

    began = time.perf_counter()
    with ThreadPoolExecutor(_CALLERS) as pool:
        calls = [one for caller in pool.map(ask, range(_CALLERS)) for one in caller]
    took = time.perf_counter() - began
    times = sorted(call[0] for call in calls)
    return Line(
        sum(call[1] for call in calls) / took,
        times[len(times) // 2],
        times[len(times) * 99 // 100],
        sum(c[3] for c in calls) / sum(c[2] for c in calls),
    )
