"""The semantic cache of one worker, put together: lane, embedder, judge, store."""

from farthing.brain.cache.semantic.lane import Drop, SemanticLane
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.brain.house import House
from farthing.brain.lessons import LessonSync
from farthing.brain.meaning import Meaning
from farthing.brain.sameness import SameJudge
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.models.embed import choose_embedder
from farthing.models.hub import Hub
from farthing.stores.sqlite import Judgements, SemanticStore


class Recall:
    """Nothing of it is loaded while `cache.semantic.mode` is off."""

    def __init__(self, store: SemanticStore, judgements: Judgements, hub: Hub, clock: Clock) -> None:
        self._store, self._judgements, self._hub, self._clock = store, judgements, hub, clock
        self.meaning: Meaning | None = None
        self._lessons: LessonSync | None = None

    def build(self, config: Config) -> None:
        """The lane of this configuration, with what earlier runs learned. Raises `ConfigError` when it names no embedder."""
        self.meaning = self._lessons = None
        if config.cache.semantic.mode == "off" or not config.cache.enabled:
            return
        lane = SemanticLane(config.cache.semantic, choose_embedder(config, self._hub), load_prior(SHIPPED_PRIOR), Verifier())
        self.meaning = Meaning(lane, self._clock)
        self._lessons = LessonSync(self._store, self.meaning)
        self._lessons.load()

    def adopt(self, house: House) -> None:
        """The judge of this house; without one the lane learns nothing new."""
        config = house.config
        name = config.cache.semantic.judge or config.quality.judge
        if self.meaning is None or name is None:
            return
        self.meaning.same = SameJudge(
            config,
            house.catalog.resolve(name),
            models=self._hub,
            prices=house.prices,
            tokens=house.tokens,
            guardrails=house.guardrails,
            shelf=self._judgements,
            clock=self._clock,
        )

    def catch_up(self) -> None:
        """Apply what other workers learned and dropped."""
        if self._lessons is not None:
            self._lessons.catch_up()

    async def forget_meaning(self, what: Drop) -> int:
        """Drop answers, here and in every worker. Raises `StoreUnavailable`."""
        return 0 if self._lessons is None else await self._lessons.drop(what)

    async def dispute(self, request_id: str) -> bool:
        """A caller says that a request was served a wrong answer by meaning."""
        entry_id = self._store.entry_of(request_id)
        return entry_id is not None and self._lessons is not None and await self._lessons.dispute(entry_id)

    def meaning_stats(self) -> dict[str, object]:
        return {"mode": "off"} if self.meaning is None else {"mode": self.meaning.config.mode} | self.meaning.lane.stats()

    async def close(self, within_s: float) -> None:
        if self.meaning is not None:
            await self.meaning.close(within_s)
