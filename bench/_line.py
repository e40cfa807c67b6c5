"""Callers in line before an engine with few slots, each with one of a few long system prompts."""

import asyncio
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from farthing.models.admission.order import marks_of
from farthing.models.admission.places import Places
from farthing.models.admission.room import Room


@dataclass(frozen=True)
class Line:
    """What came of one run of callers."""

    tokens_per_s: float
    p50_s: float
    p99_s: float
    found: float  # share of the prompts' tokens that were in the engine's memory


_CALLERS, _KINDS, _EACH, _TOKENS = 24, 8, 5, 24


def stand_in_line(url: str, seed: int) -> Line:
    """Each caller asks one question after the other under its own system prompt, of about 950 tokens."""
    draw = random.Random(seed)
    systems = [
        "".join(draw.choice("bcdfghklmnprstvw") + draw.choice("aeiou") + (" " if at % 3 == 2 else "") for at in range(400)) for _ in range(_KINDS)
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


def place_us(prompt_bytes: int, *, waiting: int = 0) -> float:
    """Processor time of one call in the waiting room, in microseconds: nobody else there, or so many in line."""
    words = {"messages": [{"role": "user", "content": "word " * (prompt_bytes // 5)}]}
    return asyncio.run(_place_us(json.dumps(words).encode(), waiting))


async def _place_us(body: bytes, waiting: int) -> float:
    loop = asyncio.get_running_loop()
    room, calls = Room("service 's'", Places(1, measured=True), loop.time), waiting or 20_000
    first = await room.enter((), loop.time() + 600, patient=False)
    line = [asyncio.ensure_future(room.enter(marks_of(body), loop.time() + 600, patient=False)) for _ in range(waiting)]
    await asyncio.sleep(0)
    began_s = time.process_time()
    first.leave()
    for seat in line:
        (await seat).leave(1.0)
    for _ in range(0 if waiting else calls):
        (await room.enter(marks_of(body), loop.time() + 600, patient=False)).leave(1.0)
    return (time.process_time() - began_s) / calls * 1e6
