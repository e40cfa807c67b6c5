"""What it saves: recorded, graded traffic through the whole gateway with every lever on; what each lever took off, and whether the answers held.

    python bench/savings.py [--questions 3000] [--repeats 0.3] [--set zeroeval] [--router]

For each set of prompts the gateway runs twice as a process of its own: once with every lever off (the bill without Farthing, at the recorded
lengths of the dear model's answers), once with all of them on. Costs, baseline and the levers' parts are read off the ledger; quality is the
recorded grade of the model that answered against that of the baseline model on the same questions. Intervals: 95 %, bootstrap over questions.
With `--router` one half of the questions, with their grades, trains a router (`farthing router train`, floor 97 %, confidence 95 %); the other
half is the traffic, once under the shipped rules, once under that router. `python bench/readme.py` puts the table into the README. Without
`../shared/data` (or FARTHING_DATA) it says so and stops.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from _harness import Figure, print_table, save
from _recorded import DATA, PAIRS, Pair, Question, available, questions, stand_in, traffic, write
from farthing.core.account import SAVERS
from farthing.lab.statistics import Estimate, paired_difference, ratio, sums_by

SEED = 20
CLIENTS = 8
OFF = {"x-farthing-levers": "-cache,-route,-diet,-check"}
# Every lever that exists, at its defaults: what a team gets that sets its two models.
CONFIG = """
[services.recorded]
dialect = "recorded"
recordings = ["{recordings}"]

[tiers]
cheap = ["recorded/{cheap}"]
expensive = ["recorded/{expensive}"]

# The dear model's texts are stood in for by text that repeats itself, which would be cut.
[endpoints.default.output]
cut_repeats = false

[log]
level = "warning"
"""


@dataclass(slots=True)
class Passed:
    """One pass of the traffic: the ledger's row of every request, in the order of the requests."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def picousd(self, column: str) -> list[int]:
        return [row[column] or 0 for row in self.rows]


async def _send(port: int, asked: list[Question], order: list[int], headers: dict[str, str]) -> list[str]:
    """The request ids. Answers other than 200 end the program: the recordings hold every question."""
    from tests.fakes.http_client import Connection

    ids = [""] * len(order)
    todo = iter(enumerate(order))

    async def client() -> None:
        async with Connection(port) as connection:
            for place, which in todo:
                messages = [{"role": "user", "content": asked[which].prompt}]
                body = {"model": "farthing/auto", "temperature": 0, "stream": place % 2 == 1, "messages": messages}
                answer = await connection.post("/v1/chat/completions", body, headers | {"x-farthing-endpoint": asked[which].group[:40]})
                if answer.status != 200:
                    raise SystemExit(f"request {place} was answered {answer.status}: {answer.body[:300]!r}")
                ids[place] = answer.headers["x-request-id"]

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return ids


def run(pair: Pair, asked: list[Question], order: list[int], recordings: Path, headers: dict[str, str], extra: str) -> Passed:
    """One pass through a gateway of its own."""
    from tests.fakes.gateway import Gateway

    config = CONFIG.format(recordings=recordings, cheap=pair.cheap, expensive=pair.expensive) + extra
    with Gateway(config) as gateway:
        ids = asyncio.run(_send(gateway.port, asked, order, headers))
        rows = {row["request_id"]: row for row in gateway.rows()}
    return Passed([rows[one] for one in ids])


class Result(msgspec.Struct):
    """What the table shows of one set. Money in USD per request, quality from 0 to 1."""

    title: str
    setting: str  # who chose the model
    cheap: str
    expensive: str
    questions: int
    requests: int
    repeats: float
    hits: float
    cheap_share: float
    measured: Estimate  # the bill with every lever off
    measured_share: Estimate  # of it that was not paid
    baseline: Estimate
    cost: Estimate
    saved: Estimate
    saved_share: Estimate
    levers: dict[str, Estimate]
    quality_before: float
    quality_after: float
    quality_kept: Estimate  # served over baseline
    quality_lost: Estimate  # served less baseline


def measure(pair: Pair, setting: str, asked: list[Question], order: list[int], off: Passed, on: Passed) -> Result:
    """The figures of one set. Requests that ask the same question hang together: the unit of every interval is the question."""
    accounts = [json.loads(row["account"])["saved"] for row in on.rows]
    served = [asked[which].grades[row["model_name"]] for which, row in zip(order, on.rows, strict=True)]
    before = [asked[which].grades[pair.expensive] for which in order]
    base, cost, bill = on.picousd("baseline_cost_picousd"), on.picousd("cost_picousd"), off.picousd("cost_picousd")
    if any(sum(saved.values()) != b - c for saved, b, c in zip(accounts, base, cost, strict=True)):
        raise SystemExit("the parts of an account do not add up")

    def per(values: list[float] | list[int], by: list[float] | list[int] | None = None, scale: float = 1e-12) -> Estimate:
        top, bottom = sums_by(order, values, by or [1] * len(order))
        found = ratio(top, bottom)
        assert found is not None
        return found.scaled(scale)

    saved = [b - c for b, c in zip(base, cost, strict=True)]
    levers = [lever for lever in SAVERS if any(lever in account for account in accounts)]
    kept = sums_by(order, served, before, [1] * len(order))
    lost = paired_difference(kept[0], kept[2], kept[1], kept[2])
    assert lost is not None
    return Result(
        title=pair.title,
        setting=setting,
        cheap=pair.cheap,
        expensive=pair.expensive,
        questions=len(asked),
        requests=len(order),
        repeats=1 - len(set(order)) / len(order),
        hits=sum(row["cache"] != "miss" for row in on.rows) / len(order),
        cheap_share=sum(row["model_name"] == pair.cheap for row in on.rows) / len(order),
        measured=per(bill),
        measured_share=per([b - c for b, c in zip(bill, cost, strict=True)], bill, 1.0),
        baseline=per(base),
        cost=per(cost),
        saved=per(saved),
        saved_share=per(saved, base, 1.0),
        levers={lever: per([account.get(lever, 0) for account in accounts]) for lever in levers},
        quality_before=sum(before) / len(before),
        quality_after=sum(served) / len(served),
        quality_kept=per(served, before, 1.0),
        quality_lost=lost,
    )


def train(pair: Pair, known: list[Question], folder: Path) -> Path:
    """A router out of graded questions, by the command that a team would use."""
    grades, router = folder / "grades.jsonl", folder / "router.npz"
    with grades.open("wb") as file:
        for one in known:
            answers = {pair.cheap: one.cheap_answer, pair.expensive: stand_in(one.cheap_answer, one.expensive_chars)}  # what they cost goes by length
            file.write(msgspec.json.encode({"prompt": one.prompt, "scores": one.grades, "answers": answers}) + b"\n")
    command = [sys.executable, "-m", "farthing", "router", "train", str(grades), "--cheap", pair.cheap, "--expensive", pair.expensive]
    subprocess.run([*command, "--floor", "0.97", "--out", str(router)], cwd=folder, check=True, stdout=sys.stderr)
    return router


def one_set(pair: Pair, most: int, repeats: float, extra: str, *, trains: bool) -> list[Result]:
    asked = questions(pair, most, SEED)
    known, asked = (asked[: len(asked) // 2], asked[len(asked) // 2 :]) if trains else ([], asked)
    order = traffic(asked, repeats, SEED)
    print(f"{pair.title}: {len(order):,} requests over {len(asked):,} questions", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="farthing-savings-") as scratch:
        recordings = Path(scratch) / "recordings.jsonl"
        write(pair, asked, recordings)
        off = run(pair, asked, order, recordings, OFF, extra)
        settings = {"shipped rules": extra}
        if trains:
            settings["trained router, floor 97 %"] = f'{extra}\n[route.learned]\nartefact = "{train(pair, known, Path(scratch))}"\n'
        passed = {name: run(pair, asked, order, recordings, {}, more) for name, more in settings.items()}
    strange = Counter(row["outcome"] for one in (off, *passed.values()) for row in one.rows if row["outcome"] != "ok")
    if strange:
        raise SystemExit(f"not every request was answered: {dict(strange)}")
    return [measure(pair, name, asked, order, off, on) for name, on in passed.items()]


def figures(results: list[Result]) -> list[Figure]:
    found: list[Figure] = []
    for one in results:
        found.append(Figure(f"saved of the baseline, {one.title}, {one.setting}", one.saved_share.value * 100, "%", None))
        found.append(Figure(f"quality kept, {one.title}, {one.setting}", one.quality_kept.value * 100, "%", None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=3000, help="at most so many of each set (continuous integration: 60)")
    parser.add_argument("--repeats", type=float, default=0.3, help="share of requests that repeat an earlier question word for word")
    parser.add_argument("--set", action="append", choices=[pair.name for pair in PAIRS], help="only this set")
    parser.add_argument("--router", action="store_true", help="train a router on half of the questions, and measure on the other")
    parser.add_argument("--config", type=Path, help="TOML to add to the configuration")
    chosen = parser.parse_args()
    wanted = [pair for pair in PAIRS if not chosen.set or pair.name in chosen.set]
    missing = [pair.name for pair in wanted if not available(pair)]
    if missing:
        raise SystemExit(f"Skipped: {', '.join(missing)} not in {DATA}. Set FARTHING_DATA to the folder that holds routing/.")
    extra = chosen.config.read_text() if chosen.config else ""
    results = [one for pair in wanted for one in one_set(pair, chosen.questions, chosen.repeats, extra, trains=chosen.router)]
    save("savings", figures(results), {"repeats": chosen.repeats, "sets": msgspec.to_builtins(results)})
    from _savings_table import lines

    print("\n".join(lines([msgspec.to_builtins(one) for one in results], chosen.repeats)))
    print_table("Savings", figures(results))


if __name__ == "__main__":
    main()
