"""Fit the scorer that every namespace of the semantic cache begins with.

Run: python examples/train_prior.py [--scratch /tmp/verifier]

Seen: the train splits of BANKING77 (CC BY 4.0) and CLINC150 (CC BY 3.0), replayed through the production lane, which serves nothing and has every
question judged. Out: `src/farthing/data/semantic_prior.json`: the mean and spread of every feature, and the weights of the logistic model.
"""

import argparse
import sys
from pathlib import Path

import msgspec
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "bench"))
_PULL = 3.0
_WORTH = 4000  # rows that each stream counts for


def main() -> None:
    from _cache_streams import Stream, lane
    from farthing.brain.cache.semantic.context import FEATURES
    from farthing.brain.cache.semantic.namespace import Look
    from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, Prior, expand, fit
    from farthing.brain.cache.semantic.verifier import Verifier

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/verifier"))
    scratch = parser.parse_args().scratch
    width = len(expand([0.0] * len(FEATURES)))
    blank = Prior((0.0,) * width, (1.0,) * width, (0.0,) * width)
    tables, truths = [], []
    for name in ("banking77", "clinc150"):
        kept: list[tuple[tuple[float, ...], bool]] = []

        def told(look: Look, right: bool, kept: list[tuple[tuple[float, ...], bool]] = kept) -> None:
            if look.candidate is not None:
                kept.append((look.candidate.row, right))

        lane(Stream.load(name, scratch, "train"), 5, max_wrong=0.01, prior=blank, verifier=Verifier(), serves=False, told=told)
        some = np.random.default_rng(3).permutation(len(kept))[:_WORTH]
        tables.append(np.array([expand(kept[at][0]) for at in some]))
        truths.append(np.array([kept[at][1] for at in some], float))
        print(f"{name}: {len(kept)} rows, {truths[-1].mean():.3f} of them the same answer")
    table, truth = np.concatenate(tables), np.concatenate(truths)
    center, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 0.05)
    constant = table.std(axis=0) == 0
    center[constant], scale[constant] = 0.0, 1.0
    weights = fit((table - center) / scale, truth, np.zeros(width), _PULL)
    prior = Prior(*(tuple(round(float(value), 5) for value in values) for values in (center, scale, weights)))
    SHIPPED_PRIOR.write_bytes(msgspec.json.encode(prior) + b"\n")
    print(f"{SHIPPED_PRIOR}: {SHIPPED_PRIOR.stat().st_size} bytes")


if __name__ == "__main__":
    main()
