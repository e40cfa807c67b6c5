"""Which examples help with an input: those that are put most like it. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


def most_like(vectors: "Sequence[Vector]", wanted: "Vector", keep: int) -> tuple[int, ...]:
    """Places of the `keep` vectors nearest to the wanted one, all of length one, in their own order. Ties go to the first."""
    scores = [float(vector @ wanted) for vector in vectors]
    best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:keep]
    return tuple(sorted(best))
