"""Whose batch is next: calls before files, then the tenant that was served longest ago, then the nearest deadline. Pure but for its memory."""

from collections.abc import Sequence

from farthing.core.batch import Batch


class Turns:
    """No tenant's long file holds up another's."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._count = 0

    def order(self, batches: Sequence[Batch]) -> list[Batch]:
        return sorted(batches, key=lambda batch: (batch.kind != "call", self._last.get(batch.tenant, 0), batch.expires_at, batch.id))

    def served(self, batch: Batch) -> None:
        """Some of its items were started."""
        self._count += 1
        self._last[batch.tenant] = self._count
