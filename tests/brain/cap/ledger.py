"""A book in memory: the rule of `Hold` and `Release`, nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from farthing.core.ledger import Hold, Refusal, Release, Reserved


class Meters:
    def __init__(self) -> None:
        self.used: dict[str, int] = defaultdict(int)
        self.held: dict[str, int] = defaultdict(int)

    def reserve(self, holds: Sequence[Hold]) -> Reserved | Refusal:
        for hold in holds:
            if self.used[hold.meter] + self.held[hold.meter] + hold.amount > hold.limit:
                return Refusal(hold, self.used[hold.meter], self.held[hold.meter])
        for hold in holds:
            self.held[hold.meter] += hold.amount
        return Reserved(tuple(hold.limit - self.used[hold.meter] - self.held[hold.meter] for hold in holds))

    def release(self, releases: Iterable[Release]) -> None:
        for release in releases:
            self.held[release.meter] -= release.held
            self.used[release.meter] += release.used
