"""The promise of the semantic cache, kept or not: wrong answers per hit on four streams, and pairs that must not share an answer.

    python bench/cache.py [--streams banking77,text2sql] [--seeds 20] [--sure-seeds 20] [--noisy-seeds 5] [--other-seeds 20] [--parts-seeds 3]

Beside the production lane: a fixed threshold and vCache's rule, on the same vectors in the same order (`_cache_streams.py`). Seeds: 7001, 7002, ...;
the lane's constants were chosen on others (docs/decisions/0010-semantic-certificate.md says on what).
The verifier saw questions of CLINC150's and BANKING77's train splits and half of CheckList,
the scorer's prior the two train splits; neither saw text2sql, hwu64 or anything of QQP. The first run embeds everything (minutes).
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from _cache_parts import PARTS
from _cache_streams import STREAMS, Outcome, Stream, embedded, fixed, lane, rows, vcache
from _harness import Figure, print_table, save
from farthing.brain.cache.semantic.namespace import vouched
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
from farthing.brain.cache.semantic.verifier import Verifier

HIT_GOALS = {"banking77": 42.0, "clinc150": 45.0, "text2sql": 8.0}
LABEL_GOAL = 150
KEPT_GOAL = 95
QQP_TEST = 40_427
FIRST_SEED = 7001


def percent(values: list[float]) -> float:
    return 100 * statistics.fmean(values)


def runs(stream: Stream, seeds: int, max_wrong: float, **options: Any) -> list[Outcome]:
    prior, verifier = load_prior(SHIPPED_PRIOR), Verifier()
    assert stream.replays is not None
    return [
        stream.replays.of(
            f"{seed} {max_wrong} {sorted(options.items())}",
            lambda seed=seed: lane(stream, seed, max_wrong=max_wrong, prior=prior, verifier=verifier, **options),
        )
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]


def summary(found: list[Outcome]) -> str:
    wrong = [one.wrong_share for one in found]
    return (
        f"wrong per hit {percent(wrong):.2f} %, worst {100 * max(wrong):.2f} %; {statistics.fmean(one.judge_calls for one in found):,.0f} judge calls"
    )


def exact(stream: Stream, seeds: int) -> list[Figure]:
    """With a judge that never errs."""
    figures: list[Figure] = []
    for max_wrong in (0.01, 0.02):
        found = runs(stream, seeds, max_wrong)
        name = f"{stream.name}, promise {max_wrong:.0%}"
        hits = percent([one.hit_share for one in found])
        kept = percent([float(one.wrong_share <= max_wrong) for one in found])
        goal = HIT_GOALS.get(stream.name) if max_wrong == 0.01 else None
        figures.append(Figure(f"{name}: hits", hits, "%", goal, at_most=False, note=summary(found)))
        figures.append(Figure(f"{name}: runs that kept it", kept, "%", KEPT_GOAL, at_most=False, note=f"{len(found)} shuffles"))
        if max_wrong == 0.01:
            above = [one.labels_above for one in found if one.labels_above is not None]
            total = [one.labels_at_first_hit for one in found if one.labels_at_first_hit is not None]
            asked = [one.calls_at_first_hit for one in found if one.calls_at_first_hit is not None]
            after = [one.requests_at_first_hit for one in found if one.requests_at_first_hit is not None]
            note = f"{statistics.fmean(above):.0f} of them above the threshold, most {max(total)}" if above else "never certified"
            note += f", median {statistics.median(total):.0f}" if total else ""
            note += f"; {statistics.fmean(asked):.0f} verdicts, at question {statistics.fmean(after):,.0f}" if asked else ""
            figures.append(Figure(f"{name}: labels before the first hit", statistics.fmean(total) if total else None, "", LABEL_GOAL, note=note))
    return figures


def sure(stream: Stream, seeds: int) -> list[Figure]:
    """What a promise of 95 % costs in hits, on the same shuffles as the default's."""
    figures: list[Figure] = []
    for max_wrong in (0.01, 0.02):
        found = runs(stream, seeds, max_wrong, confidence=0.95)
        name = f"{stream.name}, promise {max_wrong:.0%} at confidence 0.95"
        figures.append(Figure(f"{name}: hits", percent([one.hit_share for one in found]), "%", None, note=summary(found)))
        kept = percent([float(one.wrong_share <= max_wrong) for one in found])
        figures.append(Figure(f"{name}: runs that kept it", kept, "%", KEPT_GOAL, at_most=False, note=f"{len(found)} shuffles"))
    return figures


def noisy(stream: Stream, seeds: int) -> list[Figure]:
    """With judges that err, beside an exact one on the same shuffles."""
    figures: list[Figure] = []
    exact_hits = percent([one.hit_share for one in runs(stream, seeds, 0.01)])
    for error, share in ((0.02, 60), (0.05, 40)):
        found = runs(stream, seeds, 0.01, judge_error=error)
        hits = percent([one.hit_share for one in found])
        kept = percent([float(one.wrong_share <= 0.01) for one in found])
        name = f"{stream.name}, judge errs in {error:.0%}"
        note = f"hits {hits:.1f} %, {summary(found)}, error estimated {100 * found[0].judge_error:.1f} %"
        figures.append(
            Figure(f"{name}: of the exact judge's hits", 100 * hits / exact_hits if exact_hits else None, "%", share, at_most=False, note=note)
        )
        figures.append(Figure(f"{name}: runs that kept 1 %", kept, "%", KEPT_GOAL, at_most=False, note=f"{len(found)} shuffles"))
    found = runs(stream, 1, 0.01, judge_error=0.02, repeats=True)
    figures.append(Figure(f"{stream.name}, judge errs in 2%, always alike: wrong per hit", percent([one.wrong_share for one in found]), "%", None))
    return figures


def others(stream: Stream, seeds: int) -> list[Figure]:
    """The rules that the lane is measured against."""
    figures: list[Figure] = []
    for label, rule in (
        ("cosine >= 0.95", lambda seed: fixed(stream, seed, 0.95)),
        ("vCache 0.01", lambda seed: vcache(stream, seed, 0.01)),
        ("vCache 0.02", lambda seed: vcache(stream, seed, 0.02)),
    ):
        found = [rule(seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
        note = f"wrong per hit {percent([one.wrong_share for one in found]):.2f} %"
        figures.append(Figure(f"{stream.name}, {label}: hits", percent([one.hit_share for one in found]), "%", None, note=note))
    return figures


def parts(stream: Stream, seeds: int) -> list[Figure]:
    """The lane without one of its parts, on the same shuffles."""
    figures: list[Figure] = []
    for without in ("", "verifier", *PARTS):
        found = runs(stream, seeds, 0.01, without=without)
        name = f"{stream.name}, promise 1%, {f'without {without}' if without else 'whole'}: hits"
        figures.append(Figure(name, percent([one.hit_share for one in found]), "%", None, note=summary(found)))
    return figures


PAIRS: tuple[tuple[str, int, str, float | None, bool], ...] = (
    ("pairs_perturb_test", 0, "perturbed, served", 1.0, True),
    ("pairs_swap_test", 0, "swapped, served", 1.0, True),
    ("pairs_paws_qqp", 0, "PAWS-QQP must-miss, served", 2.0, True),
    ("pairs_checklist_qqp", 0, "CheckList must-miss, served", None, True),
    ("pairs_qqp", 1, "QQP duplicates, hit", 25.0, False),
    ("pairs_qqp", 0, "QQP no duplicates, served", None, True),
)


def pairs(scratch: Path, most: int) -> list[Figure]:
    """What a namespace without labels of its own would share: the verifier alone, strict."""
    verifier = Verifier()
    figures: list[Figure] = []
    for name, label, title, goal, at_most in PAIRS:
        found = [row for row in rows(name)[QQP_TEST if name == "pairs_qqp" else 0 :] if row["y"] == label][:most]
        vectors = embedded(f"{name}_{most}_{label}", [text for row in found for text in (row["a"], row["b"])], scratch)
        cosines = [float(vectors[row["a"]] @ vectors[row["b"]]) for row in found]
        served = [row["a"] == row["b"] or vouched(verifier.compare(row["a"], row["b"], cosine)) for row, cosine in zip(found, cosines, strict=True)]
        note = f"{len(found)} pairs; cosine >= 0.95 serves {100 * float(np.mean(np.array(cosines) >= 0.95)):.1f} %"
        figures.append(Figure(title, 100 * float(np.mean(served)), "%", goal, at_most, note))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default=",".join(STREAMS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--noisy-seeds", type=int, default=5)
    parser.add_argument("--other-seeds", type=int, default=20)
    parser.add_argument("--parts-seeds", type=int, default=3)
    parser.add_argument("--sure-seeds", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/farthing-cache"))
    parser.add_argument("--out", default="cache")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    raw: dict[str, Any] = {"seeds": arguments.seeds}
    if arguments.pairs:
        figures += pairs(arguments.scratch, arguments.pairs)
        print_table("Pairs, no labels", figures)
        save(arguments.out, figures, msgspec.to_builtins(raw))
    for name in filter(None, arguments.streams.split(",")):
        stream = Stream.load(name, arguments.scratch)
        found: list[Figure] = []
        for table, seeds in (
            (exact, arguments.seeds),
            (sure, arguments.sure_seeds),
            (others, arguments.other_seeds),
            (noisy, arguments.noisy_seeds),
            (parts, arguments.parts_seeds),
        ):
            if seeds:
                found += table(stream, seeds)
                stream.keep()
        print_table(f"Stream {name}", found)
        figures += found
        save(arguments.out, figures, msgspec.to_builtins(raw))


if __name__ == "__main__":
    main()
