"""The watch: which levers are turned down on which endpoints, as this worker knows it. `Desk` teaches it, requests heed it.

All workers read the same stances from the store, five times a second. While nothing is turned down, a request pays for one look at an
empty dictionary. Requests that take part in an experiment are left alone: what an arm does is the experiment's business.
"""

import contextlib
import logging

from farthing.brain.quality.base import Ear, Shelf
from farthing.brain.quality.floor import phase_at
from farthing.config import Config
from farthing.core.decision import Decision
from farthing.core.draw import fraction
from farthing.core.errors import StoreUnavailable
from farthing.core.exchange import Exchange
from farthing.core.judgement import Guarded, Stance, Turn

log = logging.getLogger("farthing.quality")

# What is switched off where a lever is turned down. Reuse by meaning is a lane of the cache: the stricter lanes go on, and their keys stay the same.
_SWITCHES: dict[Guarded, str] = {"route": "route", "cache": "cache", "lossy": "lossy"}


class Watch:
    """Outlives reloads; `adopt` takes another configuration."""

    def __init__(self, config: Config, shelf: Shelf, ear: Ear) -> None:
        self._shelf = shelf
        self._ear = ear
        self._version = -1
        self._stances: dict[tuple[str, Guarded], Stance] = {}
        self.lowered: dict[str, dict[Guarded, Stance]] = {}  # by endpoint; empty when all is well
        self._told: set[tuple[str, Guarded]] = set()
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """A floor that is gone, or a guard that is off, lets its levers go."""
        self._config = config
        self._settle()

    def floor(self, endpoint: str) -> float | None:
        """The floor in force; `None` where nobody watches."""
        return self._config.endpoint(endpoint).quality_floor if self._config.quality.judge is not None else None

    def name(self, endpoint: str) -> str:
        """What evidence on an endpoint is kept under: those that the configuration does not know are all `default`."""
        return endpoint if endpoint in self._config.endpoints else "default"

    def heed(self, x: Exchange, now: float) -> bool:
        """Switch off for this request what is turned down. True when it takes part in a trial, and must be judged."""
        inbound = x.inbound
        lowered = self.lowered.get(self.name(inbound.endpoint))
        if lowered is None or inbound.experiment is not None:
            return False
        tries = False
        for lever, stance in lowered.items():
            if phase_at(stance, now) == "trial" and fraction(f"trial:{lever}:{inbound.request_id}") < self._config.quality.trial_share:
                x.decisions.append(Decision("quality", f"{lever}_trial", "the lever was turned down; this request tries it again and is judged"))
                tries = True
                continue
            if lever == "semantic":
                inbound.widest_lane = "exact" if inbound.widest_lane == "exact" else "normalised"
            else:
                inbound.levers_off |= {_SWITCHES[lever]}
            x.decisions.append(Decision("quality", f"{lever}_down", f"below the quality floor of {stance.floor:g} since {stance.since:.0f}"))
        return tries

    def refresh(self) -> None:
        """Take over what any worker learned. A store that cannot be read leaves things as they are."""
        with contextlib.suppress(StoreUnavailable):
            version = self._shelf.version()
            if version != self._version:
                self._stances = self._shelf.stances()
                self._version = version
                self._settle()

    def tell(self, turns: tuple[Turn, ...]) -> None:
        """Say in the log what was turned; once, by the worker whose verdict did it."""
        for turn in turns:
            level = logging.WARNING if turn.phase == "down" else logging.INFO
            log.log(level, "quality guard: %s on endpoint '%s' is %s: %s", turn.lever, turn.endpoint, turn.phase, turn.reason)

    def _settle(self) -> None:
        lowered: dict[str, dict[Guarded, Stance]] = {}
        for (endpoint, lever), stance in self._stances.items():
            if stance.phase != "on" and stance.floor == self.floor(endpoint):
                lowered.setdefault(endpoint, {})[lever] = stance
        self.lowered = lowered
        down: set[tuple[str, Guarded]] = {(endpoint, lever) for endpoint, levers in lowered.items() for lever in levers}
        for endpoint, lever in down ^ self._told:
            self._ear.guarded(endpoint, lever, lowered=(endpoint, lever) in down)
        self._told = down
