"""The memory of one worker's cache, put together: what is kept and dropped, and the semantic lane with its embedder, judge and store."""

from pathlib import Path

from farthing.brain.cache import entry_id_of
from farthing.brain.cache.persist import AnswerSync
from farthing.brain.cache.semantic.lane import SemanticLane
from farthing.brain.cache.semantic.saved import SavedIndexes
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.brain.house import House
from farthing.brain.lessons import LessonSync
from farthing.brain.meaning import Meaning
from farthing.brain.sameness import SameJudge
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.collector import collector_paused
from farthing.core.forgetting import Drop
from farthing.models.embed import choose_embedder
from farthing.models.embed.pages import collapse
from farthing.models.hub import Hub
from farthing.stores.sqlite import AnswerStore, Judgements, SemanticStore


class Recall:
    """Nothing of the semantic lane is loaded while `cache.semantic.mode` is off."""

    def __init__(self, sync: AnswerSync, answers: AnswerStore, store: SemanticStore, judgements: Judgements, hub: Hub, clock: Clock) -> None:
        self._sync, self._answers = sync, answers
        self._store, self._judgements, self._hub, self._clock = store, judgements, hub, clock
        self.meaning: Meaning | None = None
        self._lessons: LessonSync | None = None
        self._saved: SavedIndexes | None = None

    def build(self, config: Config) -> None:
        """The lane of this configuration, with what earlier runs learned. Raises `ConfigError` when it names no embedder."""
        self.meaning = self._lessons = self._saved = None
        if config.cache.semantic.mode == "off" or not config.cache.enabled:
            return
        lane = SemanticLane(config.cache.semantic, choose_embedder(config, self._hub), load_prior(SHIPPED_PRIOR), Verifier())
        self.meaning = Meaning(lane, self._clock)
        self._lessons = LessonSync(self._store, self.meaning)
        self._saved = SavedIndexes(Path(config.store.path + ".index"), lane.embedder.id)
        with collector_paused():
            self._lessons.load(self._saved)
        self._saved.write_if_worn(lane.indexes())
        if any(index.graph is not None for _, index in lane.indexes()):
            collapse()

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
        """Apply what anybody learned and dropped."""
        self._sync.catch_up()
        if self._lessons is not None:
            self._lessons.catch_up()

    async def forget(self, what: Drop) -> int:
        """Drop answers of every lane: here at once, then for good, then in every worker. How many this worker, or else the store, had.

        Raises `StoreUnavailable`.
        """
        self.catch_up()
        here = self._sync.drop(what)
        if self.meaning is not None:
            here = max(here, self.meaning.lane.drop(what))
        return max(here, await self._answers.forget(what))

    async def dispute(self, request_id: str) -> bool:
        """A caller says that this request was given a wrong answer: it goes, whatever lane gave it, and a namespace that served it learns.

        Raises `StoreUnavailable`."""
        kind, entry_id = self._answers.entry_of(request_id)
        served_by_meaning = kind == "semantic"
        return await self.forget(Drop("dispute" if served_by_meaning else "entry", entry_id or entry_id_of(request_id), at=self._clock.now())) > 0

    def meaning_stats(self) -> dict[str, object]:
        return {"mode": "off"} if self.meaning is None else {"mode": self.meaning.config.mode} | self.meaning.lane.stats()

    async def close(self, within_s: float) -> None:
        if self.meaning is not None:
            await self.meaning.close(within_s)
            if self._saved is not None:
                self._saved.write(self.meaning.lane.indexes())
