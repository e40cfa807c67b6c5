"""One artefact at work: the tier of a request, whether to keep a cheap answer, and one line that says why.

Whatever it cannot promise goes to the expensive tier: an endpoint without a promise, no embedding, a language or a prompt unlike all that was
graded, traffic that has changed as a whole.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from farthing.brain.route.base import Judged, Step
from farthing.brain.route.cascade import answers
from farthing.brain.route.learned import features
from farthing.brain.route.learned.artefact import Artefact
from farthing.brain.route.learned.base import Dials, Floats, Promise, Scored
from farthing.brain.route.learned.choose import CHEAP, REFERENCE, losses, totals
from farthing.brain.route.learned.trees import Forest
from farthing.brain.route.learned.watch import Watch
from farthing.core.exchange import Signals
from farthing.core.request import Turn

READ_WEIGHT = 0.6  # of what the answer says, beside what the prompt said: 0.5 to 0.8 do about as well, 1 does worse
_LEAST_GAP = 0.02


class LearnedRouter:
    """Pure but for what it remembers of the latest traffic's familiarity."""

    def __init__(self, artefact: Artefact, *, explore: float = 0.0) -> None:
        self.header = artefact.header
        self._artefact = artefact
        self._explore = explore
        self._watches: dict[str, Watch] = {}

    @property
    def needs_embedding(self) -> bool:
        return self.header.dims > 0

    def promises(self, endpoint: str) -> bool:
        """Whether a cheap model may answer here at all; without, nothing needs to be embedded."""
        promise = self._promise(endpoint)
        return promise is not None and promise.dials is not None

    def judge(
        self,
        turns: Sequence[Turn],
        signals: Signals,
        embedding: npt.NDArray[np.float32] | None,
        *,
        endpoint: str,
        request_id: str = "",
        may_read: bool = True,
    ) -> Judged:
        """The tier. `may_read`: a cheap answer can be read before it is served; else only what was certified without reading counts."""
        promise = self._promise(endpoint)
        if promise is None:
            return _expensive(f"no graded prompts for endpoint '{endpoint}'")
        if promise.dials is None:
            return _expensive(promise.reason)
        if promise.way == "cascade" and not may_read:
            return _expensive("the promise rests on reading cheap answers, which is off here")
        if self.needs_embedding and embedding is None:
            return _expensive("no embedding of this prompt")
        if signals.language is not None and self.header.languages and signals.language not in self.header.languages:
            return _expensive(f"language '{signals.language}' was not in the graded prompts")
        scored, columns = self._score(turns, signals, embedding)
        if (strange := self._strange(scored, endpoint)) is not None:
            return _expensive(strange)
        if promise.dials.price is not None:
            return self._choose(scored, promise, promise.dials.price, request_id)
        return self._cut(scored, columns, promise, promise.dials, request_id)

    def read(self, judged: Judged, prompt: str, answer: answers.Read, second: str | None = None) -> Step:
        """Keep a cheap answer, escalate, or ask the second cheap model. `second`: what that one said."""
        dials, forest = judged.dials, self._artefact.after
        if dials is None or forest is None or judged.columns is None:
            return Step("keep", "nothing to read it with")
        rows = [judged.columns, answers.features(prompt, answer)]
        if second is not None and self._artefact.agreed is not None:
            rows += [answers.agreement(answer.text, second), answers.features(prompt, answers.Read(second))]
            gap = self._read_gap(self._artefact.agreed, rows, judged.gap)
            said = "agrees" if answers.agreement(answer.text, second)[0] else "differs"
            line = f"{self.header.second} {said}: gap {gap:.3f} {'<=' if gap <= dials.agree else '>'} {dials.agree:.3f}"
            return Step("keep" if gap <= dials.agree else "escalate", line)
        gap = self._read_gap(forest, rows, judged.gap)
        if gap < dials.keep:
            return Step("keep", f"answer read: gap {gap:.3f} < {dials.keep:.3f}")
        if self._artefact.agreed is not None and second is None and gap < dials.escalate:
            return Step("ask", f"answer read: gap {gap:.3f} between {dials.keep:.3f} and {dials.escalate:.3f}")
        return Step("escalate", f"answer read: gap {gap:.3f} >= {dials.keep:.3f}")

    def _read_gap(self, forest: Forest, rows: Sequence[Sequence[float]], before: float) -> float:
        quality = forest.predict(np.array([[value for row in rows for value in row]]))[0]
        return READ_WEIGHT * float(quality[REFERENCE] - quality[CHEAP]) + (1 - READ_WEIGHT) * before

    def _promise(self, endpoint: str) -> Promise | None:
        promises = self.header.promises
        return promises.get(endpoint) or promises.get("*")

    def _score(self, turns: Sequence[Turn], signals: Signals, embedding: npt.NDArray[np.float32] | None) -> tuple[Scored, Floats]:
        surface = np.array([features.features(turns, signals)])
        vector = None if embedding is None or not self.needs_embedding else np.asarray(embedding, np.float32)[None]
        quality, columns, familiarity = self._artefact.scorer.score(surface, vector)
        gap = float(quality[0, REFERENCE] - quality[0, CHEAP])
        return Scored(tuple(map(float, quality[0])), gap, float(familiarity[0])), columns[0]

    def _strange(self, scored: Scored, endpoint: str) -> str | None:
        if not self.needs_embedding:
            return None
        watch = self._watches.setdefault(endpoint if endpoint in self.header.promises else "*", Watch())
        watch.note(scored.familiarity)
        if scored.familiarity < self.header.unfamiliar_below:
            return f"unlike the graded prompts: stranger than {1 - scored.familiarity:.1%} of them"
        if watch.shifted:
            return f"recent traffic is unlike the graded prompts ({watch.distance:.1f} standard errors): no promise until it is graded anew"
        return None

    def _cut(self, scored: Scored, columns: Floats, promise: Promise, dials: Dials, request_id: str) -> Judged:
        header = self.header
        cheap = scored.gap <= dials.before
        odds = f"{header.cheap} {scored.quality[CHEAP]:.2f}, {header.reference} {scored.quality[REFERENCE]:.2f}"
        line = f"{odds}: gap {scored.gap:.3f} {'<=' if cheap else '>'} {dials.before:.3f} (floor {promise.floor * 100:g}%, {promise.labels} graded)"
        propensity = 1.0
        if not cheap:
            cheap, propensity = self._explores(scored.gap, promise, request_id)
            line += f"; explored at {propensity:.3f}" if cheap else ""
        reads = promise.way == "cascade" and cheap
        return Judged(
            "cheap" if cheap else "expensive", line, header.cheap if cheap else header.reference, gap=scored.gap,
            dials=dials if reads else None, columns=columns if reads else None, propensity=propensity, margin=abs(scored.gap - dials.before),
        )  # fmt: skip

    def _choose(self, scored: Scored, promise: Promise, price: float, request_id: str) -> Judged:
        """Of several models the one that loses least with its cost counted; between equal ones the dearer."""
        header, pool = self.header, self._artefact.pool
        assert pool is not None
        loss = losses(np.array([scored.quality]))
        total = totals(loss, pool, price)[0]
        order = sorted(range(len(total)), key=lambda at: (total[at], -at))
        best, runner_up = order[0], order[1]
        odds = ", ".join(f"{header.models[column]} {scored.quality[column]:.2f}" for column in pool.columns)
        propensity, explored = 1.0, ""
        last = len(total) - 1
        if best == last:
            other = next(at for at in order if at != last)
            goes, propensity = self._explores(float(loss[0, pool.columns[other]]), promise, request_id)
            if goes:
                best, runner_up, explored = other, last, f"; explored at {propensity:.3f}"
        gap = float(loss[0, pool.columns[best]])
        line = (
            f"{odds}: {header.candidates[best]} loses {gap:.3f} at {pool.cost_ratios[best]:.0%} of the cost, {total[best]:.3f} in all against "
            f"{total[runner_up]:.3f} for {header.candidates[runner_up]} (floor {promise.floor * 100:g}%, {promise.labels} graded){explored}"
        )
        tier = "expensive" if best == last else "cheap"
        return Judged(tier, line, header.candidates[best], gap=gap, propensity=propensity, margin=abs(float(total[runner_up] - total[best])))

    def _explores(self, gap: float, promise: Promise, request_id: str) -> tuple[bool, float]:
        """Whether a prompt that belongs to the expensive model goes cheap to learn, and the chance of that which happened.

        Exploration spends at most what the promise has to spare: chance times expected loss stays under it.
        """
        if not self._explore:
            return False, 1.0
        spare = max(0.0, (promise.least_ratio or 0.0) - promise.floor)
        chance = min(self._explore, spare / max(gap, _LEAST_GAP))
        goes = draw(request_id) < chance
        return goes, chance if goes else 1 - chance


def draw(request_id: str) -> float:
    """A number in 0..1 that depends on the request alone, so that a replay draws the same."""
    return int.from_bytes(blake2b(request_id.encode(), digest_size=8, person=b"explore").digest(), "big") / 2**64


def _expensive(reason: str) -> Judged:
    return Judged("expensive", reason)
