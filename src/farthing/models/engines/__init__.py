"""Engines that serve models of one's own: how they say they are. `figures` reads their pages, `watch` keeps looking, `gpus` asks the driver."""

from farthing.models.engines.watch import EngineWatch

__all__ = ["EngineWatch"]
