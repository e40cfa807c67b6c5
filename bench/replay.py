"""Replay: requests per second on one core, and replays of graded real answers held to figures computed without it.

python bench/replay.py [--requests 20000]
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import _graded as graded
from bench._harness import Figure, print_table, save

from farthing.assemble import build_house
from farthing.config import Config
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.document import as_json
from farthing.lab.replay.figures import Figures, figures
from farthing.lab.replay.run import Plan, Replay, learn, rare_collections, replay, replay_all
from farthing.lab.replay.source import Source
from farthing.models.tokens import TokenCounter
from farthing.settings import decode

GOAL_PER_S = 5_000
SYSTEM = "You are the assistant of a shop that sells lamps. Answer in one short paragraph, politely, and only from what you know of the shop. " * 5
TOPICS = ("delivery", "returns", "warranty", "bulbs", "dimmers", "sockets", "garden lights", "opening hours", "gift cards", "invoices", "fitting")
ASKS = ("What should I know about {}?", "How do {} work at your shop?", "Tell me about {} and what it costs", "Is there a rule for {}?")
SPEED_TOML = graded.models_toml("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18") + (
    '\n[tiers]\ncheap = ["openai/gpt-4o-mini-2024-07-18"]\nexpensive = ["openai/gpt-4o-2024-08-06"]\n'
    '\n[limits.tenant."*"]\nrequests_per_minute = 1000000\ndaily_usd = 1000000\n'
    "\n[diet]\nenabled = false\n"
)
ROUTED = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18")


def config(toml: str) -> Config:
    import tomllib

    return decode.decode(tomllib.loads(toml), "bench")


def traffic(count: int) -> list[LoggedCall]:
    """Support requests of 1 KB, of which about four in ten repeat one that came before."""
    draw = random.Random(7)
    calls: list[LoggedCall] = []
    for number in range(count):
        asked = draw.choice(ASKS).format(draw.choice(TOPICS)) + f" (model {min(int(draw.paretovariate(0.35)), 10**6)})"
        body = {"model": ROUTED[0], "temperature": 0, "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}]}
        calls.append(
            LoggedCall(
                source=f"bench:{number}",
                model=ROUTED[0],
                body=json.dumps(body).encode(),
                answer="It depends on the lamp. " * 12,
                request_id=f"r{number}",
                run_id=f"run {number // 3}",
                endpoint="support",
                tenant=f"tenant {number % 5}",
                received_at=graded.START_S + number * 0.05,
                latency_s=0.8 + draw.random(),
                tokens_in=190,
                tokens_out=draw.randrange(30, 130),
            )
        )
    return calls


def speed(count: int) -> list[Figure]:
    """CPU seconds of this one thread, so that neighbours on the machine do not count."""
    calls, tokens, plan = traffic(count), TokenCounter(), Plan((("rules", config(SPEED_TOML)),), build_house)
    began = time.process_time()
    fit, start_s = learn(calls, (), tokens)
    learned = time.process_time()
    with rare_collections():
        found = replay(calls, plan, fit, start_s, tokens)
    done = time.process_time()
    hits = figures(found)[1].hit_ratio or 0.0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "log.jsonl"
        path.write_text("".join(_line(call) for call in calls))
        read_began = time.process_time()
        source = Source([path])
        replay_all(source.read, plan)
        read_done = time.process_time()
    return [
        Figure("rules and exact cache", count / (done - learned), "req/s", GOAL_PER_S, at_most=False, note=f"one core, {hits:.0%} hits"),
        Figure("learning from the log", count / (learned - began), "req/s", None),
        Figure(
            "from JSONL to figures, both passes", count / (read_done - read_began), "req/s", None, note=f"{len(_line(calls[0])) / 1000:.1f} KB a line"
        ),
    ]


def _line(call: LoggedCall) -> str:
    usage = {"prompt_tokens": call.tokens_in, "completion_tokens": call.tokens_out}
    choice = {"message": {"role": "assistant", "content": call.answer}, "finish_reason": "stop"}
    response = {"model": call.model, "choices": [choice], "usage": usage}
    fields = {"id": call.request_id, "timestamp": call.received_at, "request": json.loads(call.body or b"{}"), "response": response}
    return json.dumps({**fields, "latency": call.latency_s, "session_id": call.run_id}) + "\n"


def real(name: str, models: Sequence[str] = ROUTED) -> list[Figure]:
    """Everything was asked of the dear model; rules send some of it to the cheap one, whose graded answers are known."""
    if not graded.there(name):
        print(f"{name}: not at {graded.DATA}; set FARTHING_ROUTING_DATA to its folder")
        return []
    dear, cheap = models
    toml = graded.models_toml(*models) + "\n[diet]\nenabled = false\n" + f'\n[tiers]\ncheap = ["openai/{cheap}"]\nexpensive = ["openai/{dear}"]\n'
    off = toml + '\n[endpoints.default]\nlevers_off = ["cache", "route", "diet", "check"]\n'
    logged, answers = list(graded.calls(name, dear)), list(graded.calls(name, cheap))
    plan = Plan((("shipped rules", config(toml)), ("all cheap", config(toml + _rules(400))), ("levers off", config(off))), build_house)
    found = replay_all(lambda: logged, plan, answers=lambda: answers)
    lanes = figures(found)
    show(name, lanes)
    again = replay_all(lambda: logged, plan, answers=lambda: answers)
    grades = graded.graded(name)
    rows = [(lane, *_by_hand(found, at, grades)) for at, lane in enumerate(lanes)]
    off_by = max(abs((lane.quality.mean if lane.quality else -1.0) - quality) for lane, quality, _ in rows)
    uncounted = max(abs((lane.quality.scored if lane.quality else -1) - scored) for lane, _, scored in rows)
    return [
        Figure(f"{name}: quality against the file's own grades, off by", off_by, "", 0, note=f"{len(logged):,} prompts, {len(lanes)} lanes"),
        Figure(f"{name}: graded answers counted wrongly", uncounted, "", 0),
        Figure(f"{name}: levers off, cost off by", abs(float(lanes[3].cost_usd - sum(each.cost_usd or 0 for each in logged))), "USD", 0),
        Figure(f"{name}: bytes that a second replay changes", sum(a != b for a, b in zip(*map(_bytes, (found, again)), strict=True)), "", 0),
    ]


def _bytes(found: Replay) -> bytes:
    return as_json(found, figures(found))


def _rules(below: int) -> str:
    return f'\n[[route.rules]]\nname = "short"\ntier = "cheap"\nwhen = {{ input_tokens_below = {below * 10} }}\n'


def _by_hand(found: Replay, at: int, grades: dict[tuple[str, str], float]) -> tuple[float, int]:
    """The mean grade of what each prompt's chosen model said, without the replay's own books."""
    words, chosen = found.names.words.values, found.lanes[at].columns.model
    pairs = [(prompt, words[code]) for prompt, code in zip(found.requests.ids, chosen, strict=True)]
    given = [grades[pair] for pair in pairs if pair in grades]
    return sum(given) / len(given), len(given)


def show(name: str, lanes: Sequence[Figures]) -> None:
    print(f"\n{name}")
    for lane in lanes:
        quality = lane.quality
        said = "unknown" if quality is None else f"{quality.mean:.4f} [{quality.low:.4f}, {quality.high:.4f}]"
        cost = "unknown" if lane.per_request_usd is None else f"{lane.per_request_usd.value * 1000:.4f}"
        print(f"  {lane.name:<16} USD per 1K {cost:>9}  quality {said}  tiers {lane.tiers} {'frontier' if lane.frontier else ''}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=20_000)
    wanted = options.parse_args()
    found = [*speed(wanted.requests), *real("zeroeval")]
    met = print_table("replay", found)
    save("replay", found, {"requests": wanted.requests})
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
