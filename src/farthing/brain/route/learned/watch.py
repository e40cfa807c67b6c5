"""Watching whether traffic is still what a router was trained on.

The familiarity of a prompt is its rank among the training prompts, so on like traffic it is spread evenly over 0..1 (a conformal p-value; Vovk,
Gammerman and Shafer 2005). When the mean of the latest ones lies further below one half than chance explains, promises are off.
"""

from collections import deque
from math import sqrt

WINDOW = 200
FEWEST = 50
_SPREAD = sqrt(1 / 12)
_TOO_FAR = 4.0  # standard errors: once in 30,000 looks at unchanged traffic


class Watch:
    """The latest prompts of one endpoint, in one worker."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._sum = 0.0

    def note(self, familiarity: float) -> None:
        self._latest.append(familiarity)
        self._sum += familiarity
        if len(self._latest) > WINDOW:
            self._sum -= self._latest.popleft()

    @property
    def shifted(self) -> bool:
        """Whether the latest prompts, taken together, are strangers."""
        count = len(self._latest)
        return count >= FEWEST and self.distance > _TOO_FAR

    @property
    def distance(self) -> float:
        """How far the mean familiarity is below what it should be, in standard errors."""
        count = len(self._latest)
        return (0.5 - self._sum / count) / (_SPREAD / sqrt(count)) if count else 0.0
