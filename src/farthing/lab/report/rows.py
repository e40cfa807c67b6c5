"""Everything that a report reads of a window: one walk over its rows, one over the verdicts on them."""

import numpy as np
from numpy.typing import NDArray

from farthing.lab.report.accounts import Accounts, read_accounts
from farthing.lab.report.claims import LeverClaims
from farthing.lab.report.runs import Runs, RunTable
from farthing.lab.report.spending import Rates, Spending
from farthing.lab.report.totals import Times, Totals
from farthing.lab.report.window import Kind, Verdict, Window

ANSWERED = ("ok", "truncated")


class Read:
    """Everything that was read of a window."""

    def __init__(self, window: Window, rates: Rates) -> None:
        self.totals, self.accounts, self.spending, self.claims = Totals(), Accounts(), Spending(rates), LeverClaims()
        self.latency, self.first_token, self.overhead = Times(), Times(), Times()
        self._runs = Runs()
        self.rows = 0
        for chunk in window.chunks():
            found = read_accounts(chunk.accounts)
            self.totals.add(chunk)
            self.accounts.add(chunk, found, self.rows)
            self.spending.add(chunk, found, window.kinds)
            self.claims.add(chunk.decisions)
            for times, values in ((self.latency, chunk.latency_ms), (self.first_token, chunk.first_token_ms), (self.overhead, chunk.overhead_ms)):
                times.add(chunk.kinds, values)
            self._runs.add(chunk)
            self.rows += len(found)
        self.verdicts: list[Verdict] = list(window.verdicts())
        self.kinds: list[Kind] = window.kinds
        self.runs: RunTable = self._runs.table(self.accounts, self.verdicts)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """By kind: whether the caller got an answer."""
        return np.array([kind.outcome in ANSWERED for kind in self.kinds], np.bool_)
