"""Calls that were made before: exact repeats, and copies that were in flight at the same time or sent again at once."""

from collections.abc import Sequence

import msgspec

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import About, Cut, Finder, whole

TTL_S = 86_400.0  # the default of the exact cache
AT_ONCE_S = 60.0
MOST_TEMPERATURE = 0.3  # the default of the exact cache
MEMORY = 300_000  # requests remembered; the oldest go first


class Seen(msgspec.Struct, gc=False):
    """The last call with a key."""

    at: float | None
    ends: float | None
    failed: bool


class Memory:
    """Requests by key, the newest `MEMORY` of them."""

    def __init__(self, entries: int = MEMORY) -> None:
        self._seen: dict[int, Seen] = {}
        self._entries = entries

    def put(self, call: Facts) -> Seen | None:
        """Remember a call; what was remembered of the one before with its key."""
        if call.key is None:
            return None
        before = self._seen.pop(call.key, None)
        ends = None if call.at is None else call.at + (call.latency_s or 0.0)
        self._seen[call.key] = Seen(call.at, ends, call.failed)
        if len(self._seen) > self._entries:
            del self._seen[next(iter(self._seen))]
        return before


def may_be_reused(call: Facts) -> bool:
    """Whether an answer could have served again: no tools called, not hot."""
    return not call.tools and not call.failed and (call.temperature is None or call.temperature <= MOST_TEMPERATURE)


def _apart_s(call: Facts, before: Seen) -> float | None:
    """Seconds from the end of the one before to this one's start; negative when both were in flight; `None` without times."""
    if call.at is None or before.at is None or before.ends is None:
        return None
    if call.at >= before.at:
        return call.at - before.ends
    return before.at - (call.at + (call.latency_s or 0.0))  # the log runs backwards


class ExactRepeats(Finder):
    """The same request again, within the time that an answer is kept."""

    about = About(
        kind="exact_repeats",
        title="Exact repeats",
        certainty="counted",
        how=f"The same model, messages and limits within {TTL_S / 3600:.0f} hours, at temperature {MOST_TEMPERATURE} or below (or not said), "
        "no tools called.",
        remedy="Switch the exact cache on.",
        lever="cache",
    )

    def __init__(self) -> None:
        self._memory = Memory()
        self._asked, self._hits, self._hot = 0, 0, 0

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        before = self._memory.put(call)
        if call.key is None or call.reused:
            return None
        self._asked += 1
        if before is None or before.failed:
            return None
        apart = _apart_s(call, before)
        if apart is not None and not AT_ONCE_S < apart <= TTL_S:
            return None
        if not may_be_reused(call):
            self._hot += 1
            return None
        self._hits += 1
        return whole(1.0, 1.0, 1.0)

    def details(self) -> Sequence[str]:
        if not self._asked:
            return ("The log holds no requests, so repeats cannot be seen.",)
        lines = [f"Hit rate of an exact cache: {self._hits / self._asked:.1%} of {self._asked:,} calls with text."]
        if self._hot:
            lines.append(f"{self._hot:,} further repeats were hot, failed or called tools, and are not counted.")
        return lines


class Duplicates(Finder):
    """Copies of a request sent while it was in flight or right after it, and failed calls that were paid."""

    about = About(
        kind="retries",
        title="Retries and duplicate in-flight calls",
        certainty="counted",
        how=f"The same request in flight at the same time, or again within {AT_ONCE_S:.0f} s of an answer; and failed calls that cost something.",
        remedy="Coalesce identical requests in flight; retry in one place, with a budget.",
        lever="cache",
    )

    def __init__(self) -> None:
        self._memory = Memory()
        self._flying, self._again, self._failed = 0, 0, 0

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        before = self._memory.put(call)
        if call.reused:
            return None
        if call.failed:
            self._failed += billed.costs.picousd > 0
            return whole(0.0, 1.0, 1.0)
        apart = _apart_s(call, before) if before is not None and not before.failed else None
        if apart is None or apart > AT_ONCE_S or (call.temperature or 0.0) > MOST_TEMPERATURE:
            return None
        if apart < 0:
            self._flying += 1
        else:
            self._again += 1
        return whole(1.0 if apart < 0 else 0.0, 1.0, 1.0)

    def details(self) -> Sequence[str]:
        named = ((self._flying, "copies in flight"), (self._again, "sent again at once"), (self._failed, "failed and paid"))
        return (", ".join(f"{count:,} {what}" for count, what in named if count) + ".",) if any(count for count, _ in named) else ()
