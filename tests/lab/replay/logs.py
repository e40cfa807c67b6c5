"""Logged calls for tests, with defaults for what a test does not care about, and replays of them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from farthing.assemble import build_house
from farthing.config import Config, Model, Service, Tiers
from farthing.core.request import Turn
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.figures import Figures, figures
from farthing.lab.replay.run import Plan, Replay, replay_all

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC
SMALL, BIG = "small-1", "big-1"
PRICES = {SMALL: Model(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0), BIG: Model(input_usd_per_mtok=10.0, output_usd_per_mtok=20.0)}
EVERYTHING_OFF = ("cache", "route", "diet", "check")


def call(text: str = "What is a farthing?", **fields: Any) -> LoggedCall:
    """A call of the big model: ten tokens in, five out, one second."""
    known: dict[str, Any] = {
        "source": "log:1",
        "model": BIG,
        "turns": (Turn("user", text),) if text else (),
        "answer": "A quarter of a penny.",
        "received_at": NOON,
        "latency_s": 1.0,
        "tokens_in": 10,
        "tokens_out": 5,
        "temperature": 0.0,
        "finish": "stop",
    }
    return LoggedCall(**{**known, **fields})


def config(**fields: Any) -> Config:
    """Two tiers of known prices."""
    known: dict[str, Any] = {
        "services": {"openai": Service(base_url="http://x/v1")},
        "models": PRICES,
        "tiers": Tiers(cheap=(SMALL,), expensive=(BIG,)),
    }
    return Config(**{**known, **fields})


def run(calls: Sequence[LoggedCall], *configs: Config, answers: Iterable[LoggedCall] = (), ask: str = "") -> Replay:
    named = tuple((f"config {number}", each) for number, each in enumerate(configs or (config(),), 1))
    return replay_all(lambda: calls, Plan(named, build_house, ask), answers=lambda: answers)


def lanes(calls: Sequence[LoggedCall], *configs: Config, **options: Any) -> list[Figures]:
    return figures(run(calls, *configs, **options))


def lane(calls: Sequence[LoggedCall], one: Config | None = None, **options: Any) -> Figures:
    """The figures of one configuration."""
    return lanes(calls, one or config(), **options)[1]


def usd(text: str) -> Decimal:
    return Decimal(text)
