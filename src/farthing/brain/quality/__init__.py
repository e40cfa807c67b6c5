"""Quality: does what the levers give keep up with the expensive tier? The contract is in `base`."""

from farthing.brain.quality.base import Ear, Shelf
from farthing.brain.quality.desk import Desk, Tools
from farthing.brain.quality.shares import narrow, widest
from farthing.brain.quality.watch import Watch

__all__ = ["Desk", "Ear", "Shelf", "Tools", "Watch", "narrow", "widest"]
