"""The replay itself: learn from the log once, then let every configuration live through it once, side by side."""

import gc
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import nan

import msgspec

from farthing.config import Config
from farthing.core.money import ZERO_USD, to_picousd
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.asked import Asked, Intake
from farthing.lab.replay.columns import UNKNOWN_COST, Columns, Names, Requests
from farthing.lab.replay.fit import Fit, failed, turned_away
from farthing.lab.replay.lane import BuildHouse, Doubt, Lane, Replaying
from farthing.lab.replay.virtual import Arrival
from farthing.models.tokens import TokenCounter

AS_LOGGED = "as logged"
_DAY_S = 86_400
_GC_OBJECTS = 200_000

ReadLogs = Callable[[], Iterable[LoggedCall]]  # read anew at every call


class LaneResult(msgspec.Struct):
    """What became of the log under one configuration."""

    name: str
    columns: Columns
    doubts: dict[str, Doubt] = {}
    unchecked: int = 0
    unmended: int = 0
    dieted: int = 0


class Replay(msgspec.Struct):
    """All lanes over the same requests; the first is the log itself."""

    intake: Intake
    names: Names
    requests: Requests
    lanes: list[LaneResult]

    def merge(self, other: "Replay") -> None:
        """Add another part of the log, replayed with the same configurations, here or in another process."""
        self.intake.merge(other.intake)
        words = [self.names.words.of(word) for word in other.names.words.values]
        runs = [self.names.runs.of(run) for run in other.names.runs.values]
        self.requests.extend(other.requests, runs, words)
        for mine, theirs in zip(self.lanes, other.lanes, strict=True):
            mine.columns.extend(theirs.columns, words)
            mine.unchecked += theirs.unchecked
            mine.unmended += theirs.unmended
            mine.dieted += theirs.dieted
            for title, doubt in theirs.doubts.items():
                mine.doubts.setdefault(title, Doubt()).add(doubt)


class Plan(msgspec.Struct, frozen=True):
    """What to replay: configurations by name, and what the application asks for (`lane.Lane`)."""

    configs: tuple[tuple[str, Config], ...]
    build: BuildHouse
    ask: str = ""


def learn(logs: Iterable[LoggedCall], answers: Iterable[LoggedCall], tokens: TokenCounter) -> tuple[Fit, float]:
    """What the log knows of its models, and when it begins; today where it has no times: its prices are those of today then."""
    fit, intake = Fit(tokens), Intake()
    for asked in intake.read(logs):
        fit.learn(asked)
    for asked in Intake().read(answers):
        fit.learn(asked, traffic=False)
    start_s = intake.first_s
    return fit, float(time.time() // _DAY_S * _DAY_S) if start_s is None else start_s


def replay(logs: Iterable[LoggedCall], plan: Plan, fit: Fit, start_s: float, tokens: TokenCounter) -> Replay:
    """Every call in log order through every configuration. Deterministic; one pass; memory by the number of requests, not by their text."""
    names = Names()
    shared = Replaying(fit, tokens, plan.build, names, start_s)
    lanes = [Lane(name, config, plan.ask, shared) for name, config in plan.configs]
    logged = _LoggedLane(lanes[0], names)
    found = Replay(Intake(), names, Requests(), [])

    def arrivals() -> Iterator[Arrival]:
        for asked in found.intake.read(logs):
            found.requests.ids.append(asked.id)
            found.requests.runs.append(names.runs.of(asked.run))
            found.requests.endpoints.append(names.words.of(asked.endpoint))
            found.requests.propensity.append(asked.call.propensity or 1.0)

            def arrive(asked: Asked = asked) -> None:
                logged.note(asked)
                for lane in lanes:
                    lane.start(asked)

            yield asked.at_s, arrive

    shared.loop.play(arrivals())
    found.lanes = [LaneResult(AS_LOGGED, logged.columns)]
    found.lanes += [LaneResult(lane.name, lane.columns, lane.doubts, lane.unchecked, lane.unmended, lane.dieted) for lane in lanes]
    return found


class _LoggedLane:
    """The log as it is, in the same columns. A cost that it does not say is its tokens at the first configuration's prices."""

    def __init__(self, lane: Lane, names: Names) -> None:
        self.columns = Columns()
        self._lane = lane
        self._word = names.words.of

    def note(self, asked: Asked) -> None:
        call, columns, word = asked.call, self.columns, self._word
        row = columns.open()
        broke = failed(call)
        target = None if call.model is None else self._lane.house.catalog.resolve(call.model)
        cost = call.cost_usd
        if cost is None and target is not None:
            rate, usage = self._lane.house.prices.rate(target.service, target.model), self._lane.models.logged_usage(asked)
            cost = ZERO_USD if broke else None if rate is None or usage is None else rate.price(usage)
        columns.cost[row] = UNKNOWN_COST if cost is None else to_picousd(cost)
        columns.latency_s[row] = nan if broke or call.latency_s is None else call.latency_s
        columns.score[row] = nan if broke or call.score is None else call.score
        columns.origin[row] = word("logged")
        columns.cache[row] = word(call.cache or "")
        columns.outcome[row] = word(
            "ok" if not broke else f"{'refused' if turned_away(call) else 'upstream_error'}: {call.error_code or call.status}"
        )
        if not broke and target is not None:
            columns.model[row] = word(target.model)
            columns.tier[row] = word(self._lane.tier(target))


@contextmanager
def rare_collections() -> Generator[None]:
    """As the gateway does it: requests leave next to no cycles behind, and looking for them costs a tenth of a request."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def replay_all(logs: ReadLogs, plan: Plan, *, answers: ReadLogs = tuple) -> Replay:
    """Learn, then replay, from logs that can be read twice."""
    tokens = TokenCounter()
    fit, start_s = learn(logs(), answers(), tokens)
    with rare_collections():
        return replay(logs(), plan, fit, start_s, tokens)


def told_apart(names: Sequence[str]) -> list[str]:
    """Names for lanes, made different where two are alike."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
