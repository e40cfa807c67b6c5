"""Rollups: the ledger added up by minute, hour and day, filled behind it, and read in thousands of rows where the ledger has millions."""

from farthing.stores.sqlite.rollups.filler import Batch, behind, catch_up, next_batch, purge
from farthing.stores.sqlite.rollups.keeper import RollupKeeper

__all__ = ["Batch", "RollupKeeper", "behind", "catch_up", "next_batch", "purge"]
