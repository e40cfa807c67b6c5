"""Time of one learned decision, as the gateway makes it: features, neighbours, trees, familiarity, promise. With and without the embedding."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from _harness import Figure
from _routing import TOKENS
from farthing.brain.route.cascade import answers
from farthing.brain.route.learned import features
from farthing.brain.route.learned.artefact import assemble
from farthing.brain.route.learned.base import FORMAT, Arrays, Dials, Header, Promise
from farthing.brain.route.learned.router import LearnedRouter
from farthing.lab.router.graded import Graded
from farthing.lab.router.matrix import signals_of
from farthing.models.embed import shipped

_CALLS = 400
_SHORT = "how do i change the address on my bank account"
_PROMISE = Promise(
    floor=0.97, confidence=0.95, labels=1, way="route", dials=Dials(0.1, 9, 9, 9), quality_ratio=1.0, least_ratio=0.98, cost_ratio=0.5, reason=""
)


def decision_times(arrays: Arrays, rows: Graded) -> list[Figure]:
    """Median CPU time over prompts that differ."""
    header = Header(
        format=FORMAT, version="bench", created_at=0.0, features_version=features.VERSION, answers_version=answers.VERSION, embedder=None,
        dims=384, models=rows.models, cheap=rows.models[0], reference=rows.models[1], second=None, kind="stack", labels=len(rows),
        unfamiliar_below=0.0, languages=(), promises={"*": _PROMISE},
    )  # fmt: skip
    router, embedder = LearnedRouter(assemble(header, arrays)), shipped()
    assert rows.embeddings is not None
    asked = [(prompt, signals_of(prompt, TOKENS), vector) for prompt, vector in zip(rows.prompts[:_CALLS], rows.embeddings, strict=False)]
    given = _median(lambda at: router.judge(asked[at][0], asked[at][1], asked[at][2], endpoint="x"))
    alone = _median(lambda at: embedder.embed_now(features.prompt_text(asked[at][0])))
    short = _median(lambda at: embedder.embed_now(f"{_SHORT} {at}"))
    tokens = statistics.median(len(prompt[0].text) for prompt, _, _ in asked) / 4
    note = f"median of {_CALLS} prompts of about {tokens:.0f} tokens"
    return [
        Figure(f"decision, embedding given, {len(rows):,} graded prompts", given, "ms CPU", 0.3, note=note),
        Figure("decision, embedding made of about 12 tokens", given + short, "ms CPU", 3.0, note="a question of a line"),
        Figure(f"decision, embedding made of about {tokens:.0f} tokens", given + alone, "ms CPU", 3.0, note=note),
    ]


def _median(call: Callable[[int], object]) -> float:
    for at in range(20):
        call(at)
    times: list[float] = []
    for at in range(_CALLS):
        started = time.process_time_ns()
        call(at)
        times.append((time.process_time_ns() - started) / 1e6)
    return float(np.median(times))
