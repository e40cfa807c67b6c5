"""Tenants take turns, calls go first."""

from typing import Any

from farthing.brain.batch.turns import Turns
from tests.stores.orders import order


def names(batches: list[Any]) -> list[str]:
    return [batch.id for batch in batches]


def test_no_tenant_s_file_holds_up_another_s() -> None:
    turns, ours, more, theirs = Turns(), order("a1", "acme", expires_at=5.0), order("a2", "acme", expires_at=9.0), order("b1", "bolt", expires_at=7.0)
    assert names(turns.order([more, theirs, ours])) == ["a1", "b1", "a2"]
    turns.served(ours)
    assert names(turns.order([more, theirs, ours])) == ["b1", "a1", "a2"]
    turns.served(theirs)
    assert names(turns.order([more, theirs, ours])) == ["a1", "a2", "b1"]


def test_calls_go_before_files() -> None:
    assert names(Turns().order([order("file", "acme", expires_at=1.0), order("call", "acme", expires_at=9.0, kind="call")])) == ["call", "file"]
