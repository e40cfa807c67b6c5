"""One configuration being replayed: its house, its account, and a row for every request.

The journey is the gateway's own (`brain.flow.journey`), with the log in place of the services, memory in place of the ledger and the log's time in
place of the clock. What it adds is read off the exchange afterwards: nothing here decides anything.
"""

from decimal import Decimal
from math import nan
from typing import Protocol

import msgspec

from farthing.brain.cache import CacheLever
from farthing.brain.flow import journey
from farthing.brain.house import House
from farthing.brain.ports import Book, CatalogPort, Models, Tokens
from farthing.config import Config
from farthing.core.alias import ALIASES, AUTO, is_alias
from farthing.core.clock import Clock
from farthing.core.errors import ConfigError, FarthingError
from farthing.core.exchange import Exchange, Target
from farthing.core.money import to_picousd
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.lab.replay.answers import LoggedModels, Step
from farthing.lab.replay.asked import Asked, inbound_of, unread_signals
from farthing.lab.replay.book import MemoryBook
from farthing.lab.replay.columns import UNKNOWN_COST, Columns, Names
from farthing.lab.replay.fit import Fit, plain, same_model
from farthing.lab.replay.stage import dialects_by_service, unexplored, with_logged_models
from farthing.lab.replay.virtual import LogClock, VirtualLoop
from farthing.models.tokens import TokenCounter

AS_LOGGED = "logged"
_SAME_QUESTION = ("exact", "normalised")


class BuildHouse(Protocol):
    """`assemble.build_house`: the lab runs the brain, it does not know how it is put together."""

    def __call__(
        self, config: Config, *, clock: Clock, book: Book, models: Models, tokens: Tokens, cache: CacheLever, keeps_accounts: bool
    ) -> House: ...


class Doubt(msgspec.Struct):
    """How far the cost of estimated outputs may be off, by where the estimate came from. USD."""

    calls: int = 0
    shared_usd: float = 0.0  # standard error of the mean length, times price: the same for all of these calls
    own_usd2: float = 0.0  # variance of what each single answer adds

    def add(self, other: "Doubt") -> None:
        self.calls += other.calls
        self.shared_usd += other.shared_usd
        self.own_usd2 += other.own_usd2


class Replaying:
    """What all lanes of one replay share."""

    def __init__(self, fit: Fit, tokens: TokenCounter, build: BuildHouse, names: Names, start_s: float) -> None:
        self.fit = fit
        self.tokens = tokens
        self.build = build
        self.names = names
        self.loop = VirtualLoop(start_s)
        self.clock = LogClock(self.loop)


class Lane:
    """A configuration under its name. `ask` is the model that the application asks for: see `_asks`."""

    def __init__(self, name: str, config: Config, ask: str, shared: Replaying) -> None:
        self.name = name
        self.columns = Columns()
        self.doubts: dict[str, Doubt] = {}
        self.unchecked = 0
        self.unmended = 0
        self.dieted = 0
        self._ask = ask
        self._shared = shared
        self._word = shared.names.words.of
        self._scores: dict[str, float] = {}
        staged = unexplored(with_logged_models(config, shared.fit.models))
        self.models = LoggedModels(shared.fit, shared.tokens, shared.loop, dialects_by_service(config))
        self.house = shared.build(
            staged,
            clock=shared.clock,
            book=MemoryBook(shared.clock),
            models=self.models,
            tokens=shared.tokens,
            cache=CacheLever(staged.cache),
            keeps_accounts=False,
        )
        catalog = self.house.catalog
        _must_exist(ask, catalog)
        self._tiers = {plain(target.model): target.tier for tier in ("expensive", "cheap") for target in catalog.tier(tier)}
        self._routes = any(map(catalog.tier, ("cheap", "expensive")))

    def start(self, asked: Asked) -> None:
        """The request arrives, now."""
        self._shared.loop.create_task(self._serve(asked, self.columns.open()))

    async def _serve(self, asked: Asked, row: int) -> None:
        request_id = asked.id if asked.id not in self.models.steps else f"{asked.id}#{asked.number}"
        house, now_s = self.house, self._shared.loop.time()
        x = Exchange(inbound_of(asked, request_id, self._asks(asked), house.config, now_s=now_s))
        if asked.prompt is None:
            x.signals = unread_signals(asked)
        step = self.models.steps[request_id] = Step(asked, x)
        try:
            await journey(x, house, _Nobody())
        except FarthingError:
            pass  # the exchange says what it was
        finally:
            del self.models.steps[request_id]
        self._note(step, row, self._shared.loop.time() - now_s)

    def _asks(self, asked: Asked) -> str:
        """The model that the application asks for: by default `farthing/auto` wherever this configuration routes, else the one that it had."""
        had = asked.call.model or asked.view.model
        if asked.prompt is None or asked.call.dialect is Dialect.EMBEDDINGS or self._ask == AS_LOGGED:
            return had
        if self._ask:
            return self._ask
        routes = self._routes and "route" not in self.house.config.endpoint(asked.endpoint).levers_off
        return AUTO if routes else had

    def _note(self, step: Step, row: int, took_s: float) -> None:
        x, told, columns, word = step.x, step.told, self.columns, self._word
        answered = x.outcome in ("ok", "truncated")
        cost = self._cost(step)
        columns.cost[row] = UNKNOWN_COST if cost is None else to_picousd(cost)
        known = told is None or told.latency_s is not None
        columns.latency_s[row] = took_s if answered and known else nan
        score = self._score(step) if answered else None
        columns.score[row] = nan if score is None else score
        columns.origin[row] = word("reused" if told is None and answered else "" if told is None else told.origin)
        columns.cache[row] = word(x.cache)
        columns.outcome[row] = word(x.outcome if x.error_code is None else f"{x.outcome}: {x.error_code}")
        if answered and x.target is not None:
            columns.model[row] = word(x.target.model)
            columns.tier[row] = word(self.tier(x.target))
        self.unchecked += step.unchecked
        self.unmended += step.unmended
        self.dieted += step.dieted

    def tier(self, target: Target) -> str:
        """The tier that it was chosen for, else the one that lists it."""
        if target.tier:
            return target.tier
        own = self._tiers.get(plain(target.model))
        return own or next((tier for name, tier in self._tiers.items() if same_model(name, target.model)), "")

    def _cost(self, step: Step) -> Decimal | None:
        """As the brain counted it; an estimated output at its mean length instead of the length that was drawn for it."""
        x, told = step.x, step.told
        if told is None or told.origin == "failed":
            return x.cost_usd if x.cost_usd is not None else Decimal(0)
        if told.usage is None:
            return None
        if x.cost_usd is None:
            return step.asked.call.cost_usd if told.origin == "logged" else None
        guess = told.guess
        if guess is None or x.usage is None or x.usage.output_tokens != guess.usage.output_tokens:
            return x.cost_usd
        rate = self.house.prices.rate(guess.target.service, guess.target.model)
        if rate is None:
            return x.cost_usd
        given = x.usage.input_tokens
        each_usd = rate.price(Usage(given, 1)) - rate.price(Usage(given, 0))
        mean = guess.lengths.mean(guess.limit)
        doubt = self.doubts.setdefault(guess.lengths.title, Doubt())
        doubt.calls += 1
        doubt.shared_usd += float(each_usd) * mean.error
        doubt.own_usd2 += (float(each_usd) * mean.spread) ** 2
        return x.cost_usd + each_usd * (mean.tokens - guess.usage.output_tokens)

    def _score(self, step: Step) -> float | None:
        """The grade of the answer that was given; of one cut short, or given to another question, nobody knows it."""
        x, told = step.x, step.told
        if x.truncated is not None:
            return None
        if told is not None:
            if told.score is not None and x.cache == "miss":
                self._scores["ans" + x.inbound.request_id.removeprefix("req")] = told.score
            return told.score
        if x.cache in _SAME_QUESTION:
            return self._scores.get(x.cache_entry or "")
        if x.cache == "coalesced" and x.target is not None and step.asked.prompt is not None:
            known = self._shared.fit.recorded(step.asked.prompt, x.target.model)
            return None if known is None else known.score
        return None


def _must_exist(ask: str, catalog: CatalogPort) -> None:
    """Raises `ConfigError` or `ModelNotFound`: a name that nobody serves would be refused at every request."""
    if is_alias(ask) and ask not in ALIASES:
        raise ConfigError(f"--ask {ask} is no alias. Known: {', '.join(ALIASES)}, logged, or a model that a configuration serves.")
    if ask and ask != AS_LOGGED and ask not in ALIASES:
        catalog.resolve(ask)


class _Nobody:
    """Hears the answer and keeps nothing of it."""

    gone = False
    started = False

    def listen(self, on_gone: object) -> None:
        del on_gone

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        del status, headers, body

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        del status, headers
        self.started = True

    async def write(self, data: bytes) -> None:
        del data

    async def finish(self, data: bytes) -> None:
        del data
