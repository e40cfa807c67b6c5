"""The learned router as the flow meets it: with its embedder beside it, or with the reason why it cannot be used."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from farthing.brain.ports import CatalogPort, Embedder
from farthing.brain.route.base import Judged, Step
from farthing.brain.route.cascade.answers import Read
from farthing.brain.route.learned.artefact import Artefact, ArtefactUnusable, load
from farthing.brain.route.learned.features import prompt_text
from farthing.brain.route.learned.router import LearnedRouter
from farthing.config import LearnedRoute
from farthing.core.exchange import Exchange, Target

log = logging.getLogger("farthing.route")


class Desk:
    """One artefact at the door of the flow; requests come one after another."""

    def __init__(self, router: LearnedRouter | None, embedder: Embedder | None, problem: str | None) -> None:
        self._router, self._embedder = router, embedder
        self.problem = problem

    @property
    def models(self) -> tuple[str, str, str | None]:
        assert self._router is not None
        header = self._router.header
        return header.cheap, header.reference, header.second

    async def judge(self, x: Exchange, *, may_read: bool) -> Judged:
        """Embeds the prompt only where the answer may depend on it."""
        router, inbound = self._router, x.inbound
        assert router is not None
        assert x.signals is not None
        vector: Any = None
        if router.needs_embedding and self._embedder is not None and router.promises(inbound.endpoint):
            vector = await self._embedder.embed(prompt_text(inbound.peek.turns))
        return router.judge(inbound.peek.turns, x.signals, vector, endpoint=inbound.endpoint, request_id=inbound.request_id, may_read=may_read)

    def read(self, judged: Judged, prompt: str, answer: Read, second: str | None = None) -> Step:
        assert self._router is not None
        return self._router.read(judged, prompt, answer, second)


def open_desk(config: LearnedRoute, catalog: CatalogPort, embedder: Embedder) -> Desk:
    """Never raises: a router that cannot be used is logged, and every decision that it would have made says so."""
    assert config.artefact is not None
    try:
        artefact = _loaded(Path(config.artefact))
        header = artefact.header
        if header.dims and header.embedder != embedder.id:
            raise ArtefactUnusable(f"it was trained on embeddings of {header.embedder}, and the gateway has {embedder.id}. Train it anew.")
        for model, tier in ((header.cheap, "cheap"), (header.reference, "expensive")):
            _require(model, f"tiers.{tier}", catalog.tier(tier), tier)
        for model in header.candidates:
            _require(model, "tiers.cheap", (*catalog.tier("cheap"), *catalog.tier("expensive")))
    except ArtefactUnusable as error:
        log.error("routing by rules only: %s", error.message)
        return Desk(None, None, error.message)
    log.info("learned router %s: %s", header.version, "; ".join(f"{name}: {made.way}" for name, made in header.promises.items()))
    return Desk(LearnedRouter(artefact, explore=config.explore), embedder, None)


def _loaded(path: Path) -> Artefact:
    """One copy in a process, for all arms of experiments and over reloads, until the file changes. Raises `ArtefactUnusable`."""
    try:
        found = path.stat()
    except OSError:
        return load(path)  # which says what is missing
    return _kept(path, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=2)
def _kept(path: Path, stamp: tuple[int, int, int]) -> Artefact:
    del stamp
    return load(path)


def _require(model: str, key: str, targets: tuple[Target, ...], tier: str | None = None) -> None:
    if model == tier:
        return  # trained from the ledger, on whatever the tier served
    if all(model not in (target.model, f"{target.service}/{target.model}") for target in targets):
        raise ArtefactUnusable(f"it was trained for {model}, which is not in `{key}`. Add it, or train for the models that are.")
