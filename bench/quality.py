"""How soon the quality guard finds a drop, and how often it cries wolf: `python bench/quality.py [--runs 1000] [--others 200]`.

Simulated judges, the production test (`brain/quality/sequential.py`) over every sample of every run. A sample is one answer judged
against the expensive tier's: mostly a tie, else one of the two is worse by some margin of grades. At parity both are worse equally often, so the
lever is exactly as good as the expensive tier, however noisy the judge. `quality` is the true ratio of mean scores; the floor is 0.97.
Goals: at most 5 % false alarms in 10,000 samples whatever the judge; a drop to three points under the floor found within 500 samples, here in
19 of 20 runs, for a judge that grades. Levers between parity and the floor and judges without grades are shown beside it. "Best fixed test": the
power of the best test of exactly 500 samples with 5 % false alarms on the floor (normal approximation), to tell noise from a poor method.
"""

import argparse
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pool
from statistics import NormalDist, median

from _harness import Figure, print_table, save
from farthing.brain.quality.sequential import has_broken, has_held, observe
from farthing.core.judgement import Stance

FLOOR, DROP, WITHIN, LONG = 0.97, 0.03, 500, 10_000
HISTORY = 2_000
BEFORE = -1


@dataclass(frozen=True)
class Judge:
    """What a judge's verdicts look like: how often the expensive answer is the worse one, and by how much the worse one is worse."""

    name: str
    reference: float
    better: float
    margins: tuple[float, ...]

    def pairs(self, draw: random.Random, quality: float) -> Iterator[tuple[float, float]]:
        margin = sum(self.margins) / len(self.margins)
        worse = (self.reference * (1 - quality) + quality * self.better * margin) / margin
        while True:
            at, less = draw.random(), self.reference - draw.choice(self.margins)
            if at < worse:
                yield less, self.reference
            elif at < worse + self.better:
                yield self.reference, less
            else:
                yield self.reference, self.reference

    def spread(self, quality: float = 1.0) -> float:
        draw = random.Random(1)
        found = [score - FLOOR * reference for (score, reference), _ in zip(self.pairs(draw, quality), range(20_000), strict=False)]
        mean = sum(found) / len(found)
        return (sum((one - mean) ** 2 for one in found) / len(found)) ** 0.5

    def ceiling(self) -> float:
        """Power of the best test of exactly 500 samples at three points under the floor."""
        normal = NormalDist()
        effect = DROP * self.reference * WITHIN**0.5 / self.spread(FLOOR - DROP)
        return normal.cdf(effect - normal.inv_cdf(0.95))


STEADY = Judge("steady judge: 30 % decided, by 1 to 3 grades of 10", 0.85, 0.15, (0.1, 0.1, 0.2, 0.3))
MIDDLE = Judge("middle judge: 40 % decided, by 1 to 4 grades", 0.8, 0.2, (0.1, 0.2, 0.2, 0.4))
NOISY = Judge("noisy judge: 60 % decided, by 1/2 to 5 grades", 0.8, 0.3, (0.05, 0.1, 0.15, 0.2, 0.3, 0.5))
BARE_10 = Judge("win, tie, loss only: 10 % decided", 1.0, 0.05, (1.0,))
BARE_20 = Judge("win, tie, loss only: 20 % decided", 1.0, 0.1, (1.0,))
OTHERS = (NOISY, BARE_10, BARE_20)


def first_alarm(task: tuple[Judge, float, int, int, int]) -> int | None:
    """The sample at which the lever is turned down, counted after `history` samples at parity; `None` when it never is,
    `BEFORE` when it was in error during those."""
    judge, quality, history, samples, seed = task
    draw, stance = random.Random(seed), Stance()
    for _, pair in zip(range(history), judge.pairs(draw, 1.0), strict=False):
        stance = observe(stance, *pair, FLOOR)
        if has_broken(stance):
            return BEFORE
    for number, pair in zip(range(samples), judge.pairs(draw, quality), strict=False):
        stance = observe(stance, *pair, FLOOR)
        if has_broken(stance):
            return number + 1
    return None


def first_held(task: tuple[Judge, float, int, int, int]) -> int | None:
    """The sample at which a lever on trial is turned up again; `None` when it never is, or breaks the floor first."""
    judge, quality, _, samples, seed = task
    draw, stance = random.Random(seed), Stance()
    for number, pair in zip(range(samples), judge.pairs(draw, quality), strict=False):
        stance = observe(stance, *pair, FLOOR)
        if has_broken(stance):
            return None
        if has_held(stance):
            return number + 1
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated streams of the steady and of the middle judge")
    parser.add_argument("--others", type=int, default=200, help="of each other judge")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    wanted = parser.parse_args()
    with Pool(wanted.processes) as pool:

        def many(kind, judge: Judge, quality: float, samples: int, runs: int, history: int = 0) -> list[int | None]:
            return pool.map(kind, [(judge, quality, history, samples, seed) for seed in range(runs)], chunksize=8)

        figures: list[Figure] = []
        for judge, runs in ((STEADY, wanted.runs), (MIDDLE, wanted.runs), *((other, wanted.others) for other in OTHERS)):
            figures += _of(judge, runs, many, graded=judge in (STEADY, MIDDLE))
    began = time.perf_counter()
    first_alarm((MIDDLE, 1.0, 0, 100_000, 1))
    figures.append(Figure("one sample, simulation included", (time.perf_counter() - began) / 100_000 * 1e6, "us", None))
    save("quality", figures, None)
    print_table(f"Quality guard, floor {FLOOR}", figures)


def _of(judge: Judge, runs: int, many, *, graded: bool) -> list[Figure]:
    wolf = many(first_alarm, judge, 1.0, LONG, runs)
    between = many(first_alarm, judge, 0.985, LONG, max(runs // 5, 20))
    edge = many(first_alarm, judge, FLOOR, LONG, max(runs // 5, 20))
    fresh = many(first_alarm, judge, FLOOR - DROP, 3000, runs)
    later = [one for one in many(first_alarm, judge, FLOOR - DROP, 3000, runs, HISTORY) if one != BEFORE]
    back = many(first_held, judge, 1.0, 3000, max(runs // 5, 20))
    delays = sorted(3001 if one is None else one for one in later)
    note = f"{runs} runs; spread of a sample {judge.spread():.3f}"
    return [
        Figure(f"{judge.name}: false alarms in {LONG:,} samples at parity", _percent(wolf, LONG), "%", 5.0, note=note),
        Figure(
            f"  found within {WITHIN} samples, 3 points under the floor", _percent(fresh, WITHIN), "%", 95.0 if graded else None, False,
            f"best fixed test: {judge.ceiling():.0%}",
        ),
        Figure(f"  the same after {HISTORY:,} samples at parity", _percent(later, WITHIN), "%", 95.0 if graded else None, False),
        Figure("  samples until half of the drops are found", median(delays), "", float(WITHIN) if graded else None),
        Figure("  samples until nine in ten are", delays[int(len(delays) * 0.9)], "", None),
        Figure(f"  alarms in {LONG:,} samples halfway to the floor (0.985)", _percent(between, LONG), "%", None),
        Figure(f"  alarms in {LONG:,} samples on the floor itself", _percent(edge, LONG), "%", None),
        Figure("  trials at parity that end up within 1,000 samples", _percent(back, 1000), "%", None),
    ]  # fmt: skip


def _percent(found: list[int | None], within: int) -> float:
    return 100 * sum(one is not None and one <= within for one in found) / len(found)


if __name__ == "__main__":
    main()
