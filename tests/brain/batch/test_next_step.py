"""What becomes of an item that was not answered."""

import pytest

from farthing.brain.batch.base import BUDGET_PAUSE_S, Next, Served, next_step
from farthing.core.errors import (
    AnswerInvalid,
    BudgetExceeded,
    CapReached,
    FarthingError,
    GuardrailBlocked,
    NotAuthenticated,
    PriceUnknown,
    RateLimited,
    StoreUnavailable,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)


def refused(status: int, retry_after_s: float | None = None) -> UpstreamRefused:
    return UpstreamRefused("no", status=status, body=b"{}", retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, "done"),
        (RateLimited("x", retry_after_s=12.0), "pause"),
        (BudgetExceeded("x"), "pause"),
        (PriceUnknown("x"), "fail"),  # waiting makes no price known
        (NotAuthenticated("x"), "fail"),
        (CapReached("x"), "fail"),
        (GuardrailBlocked("x"), "fail"),
        (AnswerInvalid("x"), "fail"),
        (FarthingError("x"), "fail"),
        (StoreUnavailable("x"), "again"),
        (UpstreamUnreachable("x"), "later"),
        (UpstreamTimeout("x"), "later"),
        (refused(500), "later"),
        (refused(429), "later"),
        (refused(400), "fail"),
        (refused(404), "fail"),
    ],
)
def test_each_error_has_one_consequence(error: FarthingError | None, expected: str) -> None:
    assert next_step(Served("req_1", error), 0, 5, 0.5).do == expected


def test_pauses_grow_and_end() -> None:
    waits = [next_step(Served("req_1", refused(503)), tried, 5, 0.999999).wait_s for tried in range(4)]
    assert waits == pytest.approx([2, 4, 8, 16], rel=1e-3)
    assert next_step(Served("req_1", refused(503)), 4, 5, 0.0) == Next("fail")
    assert next_step(Served("req_1", refused(503)), 0, 1, 0.0) == Next("fail")
    assert next_step(Served("req_1", refused(503, retry_after_s=40.0)), 0, 5, 0.0) == Next("later", 40.0, counts=True)


def test_limits_say_how_long() -> None:
    assert next_step(Served("req_1", RateLimited("x", retry_after_s=12.0)), 4, 5, 0.0) == Next("pause", 12.0)
    assert next_step(Served("req_1", BudgetExceeded("x")), 4, 5, 0.0) == Next("pause", BUDGET_PAUSE_S)
