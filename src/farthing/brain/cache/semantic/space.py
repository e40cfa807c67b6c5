"""One namespace of the lane with all that belongs to it: its keys, its answers, who brought them about, and whose calls are in flight."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farthing.brain.cache.semantic.certify import NEVER
from farthing.brain.cache.semantic.entries import Airborne, Entry
from farthing.brain.cache.semantic.index import VectorIndex
from farthing.brain.cache.semantic.namespace import Namespace

if TYPE_CHECKING:
    from farthing.brain.ports import Vector

_MOST_AIRBORNE = 64
_ENTRY_BYTES = 1500
_KEY_BYTES = 800  # besides its vector


class Space:
    """`tenant` and `endpoint` are those of all its answers: the scope says so."""

    def __init__(self, namespace: Namespace, tenant: str, endpoint: str) -> None:
        self.namespace = namespace
        self.tenant, self.endpoint = tenant, endpoint
        self.index = VectorIndex()
        self.texts: dict[int, str] = {}
        self.entries: dict[int, Entry] = {}  # by group
        self.keys: dict[int, list[int]] = {}  # by group
        self.voices: dict[int, set[str]] = {}
        self.hits: dict[int, int] = {}  # served by this worker, by group
        self.airborne: list[Airborne] = []
        self.unasked: dict[int, Vector] = {}  # by group: of questions that the judge is to be asked about later
        self.calibrated = False
        self._guest = 0

    def place(self, key: int, group: int, entry: Entry, vector: "Vector") -> bool:
        """A question becomes a key of a group; True when its answer is the group's first. Raises `ValueError` for a vector of another length."""
        self.index.add(key, vector)
        self.texts[key] = entry.question
        self.namespace.add_key(key, group)
        self.keys.setdefault(group, []).append(key)
        self.voices.setdefault(group, set()).add(entry.voice)
        if group in self.entries:
            return False
        self.entries[group] = entry
        return True

    def forget(self, group: int) -> Entry | None:
        """Take out a group with its keys."""
        for key in self.keys.pop(group, ()):
            self.index.remove(key)
            del self.texts[key]
            self.namespace.forget_key(key)
        self.voices.pop(group, None)
        self.unasked.pop(group, None)
        self.hits.pop(group, None)
        return self.entries.pop(group, None)

    def put_off(self, group: int, score: float, row: Sequence[float], others: Sequence[int], vector: "Vector") -> None:
        """The judge was not asked whether the question that opened `group` is the same as `others`."""
        self.namespace.put_off(group, score, row, others)
        self.unasked[group] = vector

    def merge(self, group: int, into: int) -> Entry:
        """Two answers are one: the second stays, the keys of the first lead to it. Gives what was the first."""
        keys = self.keys.pop(group)
        self.unasked.pop(group, None)
        self.namespace.merge(group, into, keys)
        self.keys[into] += keys
        self.voices[into] |= self.voices.pop(group)
        self.hits[into] = self.hits.get(into, 0) + self.hits.pop(group, 0)
        return self.entries.pop(group)

    def named(self, verdicts: Sequence[tuple[int, bool]]) -> tuple[tuple[str, bool], ...]:
        """The same by the names of answers, as far as they are there."""
        groups = [(self.namespace.current(group), equal) for group, equal in verdicts]
        return tuple((self.entries[group].entry_id, equal) for group, equal in groups if group in self.entries)

    def standing(self, scope: bytes) -> dict[str, object]:
        """What the operator wants to see."""
        namespace = self.namespace
        return {
            "scope": scope.hex()[:16],
            "endpoint": self.endpoint,
            "tenant": self.tenant,
            "answers": len(self.entries),
            "keys": len(self.index),
            "labels": namespace.labels,
            "unasked": len(namespace.later),
            "certified": namespace.certificate.threshold != NEVER,
            "bound": namespace.certificate.bound,
            "coverage": round(namespace.certificate.coverage, 4),
            "disputes": namespace.disputes,
        }

    def bytes_of(self, group: int) -> int:
        """About what a group takes in memory."""
        entry = self.entries[group]
        return _ENTRY_BYTES + len(entry.answer.body) + len(entry.text) + len(self.keys[group]) * (_KEY_BYTES + self.index.dimensions)

    def worth(self, group: int) -> float:
        """USD saved by a byte: what its answer cost, as often as it was served, or would be for all we know."""
        served = 1 + self.hits.get(group, 0) + self.namespace.records[group].confirmed
        return max(1e-6, float(self.entries[group].answer.cost_usd or 0)) * served / self.bytes_of(group)

    def departs(self, airborne: Airborne) -> None:
        """A call for a question has left; until it lands it may answer others."""
        self.airborne = [other for other in self.airborne if not other.flight.landed][1 - _MOST_AIRBORNE :]
        self.airborne.append(airborne)

    @contextmanager
    def guests(self, voice: str) -> Generator[dict[int, Airborne]]:
        """Calls in flight that this voice may share, each seated as a group with one key, while it is looked at.

        An answer that nobody has seen is shared with nobody but whom it would be served to: who brought it about.
        """
        seated: dict[int, Airborne] = {}
        for airborne in self.airborne:
            if airborne.voice == voice and not airborne.flight.landed:
                self._guest -= 1
                self.namespace.add_key(self._guest, self.namespace.open_group())
                self.texts[self._guest] = airborne.question
                seated[self._guest] = airborne
        try:
            yield seated
        finally:
            for key in seated:
                self.namespace.forget_key(key)
                del self.texts[key]


def with_guests(
    keys: Sequence[int], cosines: Sequence[float], guests: dict[int, Airborne], vector: "Vector", most: int
) -> tuple[Sequence[int], Sequence[float]]:
    """The nearest keys with those of calls in flight among them, nearest first."""
    if not guests:
        return keys, cosines
    cosine: Callable[[Airborne], float] = lambda airborne: float(airborne.vector @ vector) if len(airborne.vector) == len(vector) else -1.0  # noqa: E731
    found = [*zip(cosines, keys, strict=True), *((cosine(airborne), key) for key, airborne in guests.items())]
    found.sort(key=lambda pair: -pair[0])
    return [key for _, key in found[:most]], [near for near, _ in found[:most]]
