"""Where the money went: the parts of the answering calls' input, their output, and every call beyond them.

The cost of an answering call is split into input and output by the prices of its model (those of now: what counts is their proportion), the
input over the parts of the prompt by their tokens. Whole picodollars, what rounding leaves goes to the last part: the parts add up exactly.
Where that cannot be told (no price, several calls in a row without an account), the money stands under a name that says so.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from farthing.core.usage import Rate
from farthing.lab.report.accounts import RowAccount
from farthing.lab.report.totals import Sums
from farthing.lab.report.window import UNKNOWN, Chunk, Kind, Whole

Rates = Callable[[str, str], Rate | None]  # by provider and model

SYSTEM, HISTORY, DOCUMENTS, USER = "input: system prompt", "input: history", "input: documents", "input: user turn"
INPUT, OUTPUT, UNTOLD = "input, parts unknown", "output", "not told apart"
_PROMPT = (SYSTEM, HISTORY, DOCUMENTS, USER)
_PURPOSES = {
    "retry": "retries",
    "repair": "repairs",
    "escalate": "escalations",
    "router": "router calls",
    "embed": "embeddings",
    "judge": "judging",
    "shadow": "shadow calls",
}
ORDER = (*_PROMPT, INPUT, OUTPUT, *_PURPOSES.values())


def purpose_name(purpose: str) -> str:
    """What calls beyond the answering one are listed as."""
    return _PURPOSES.get(purpose, purpose)


def no_rates(service: str, model: str) -> Rate | None:  # noqa: ARG001
    """Prices of nothing: all input and output stays untold."""
    return None


class Spending:
    """Sums by part and kind."""

    def __init__(self, rates: Rates) -> None:
        self.parts: dict[str, Sums] = {}
        self._prices = _Prices(rates)

    def add(self, chunk: Chunk, found: Sequence[RowAccount | None], kinds: Sequence[Kind]) -> None:
        priced = chunk.cost != UNKNOWN
        answer = np.where(priced, chunk.cost, 0) - self._add_extra(chunk, found, priced)
        prompts = _prompts(found)
        told = np.array([account is not None for account in found]) | (chunk.calls <= 1)
        share = np.where(told, self._prices.input_share(chunk, kinds), np.nan)
        known = ~np.isnan(share)
        spent_on_input = np.rint(answer * np.where(known, share, 0.0)).astype(np.int64)
        self._add(OUTPUT, chunk, np.where(known, answer - spent_on_input, 0))
        self._add(UNTOLD, chunk, np.where(known, 0, answer))
        self._add_prompt(chunk, spent_on_input, prompts)

    def _add_prompt(self, chunk: Chunk, spent: Whole, prompts: NDArray[np.float64]) -> None:
        tokens = prompts.sum(axis=1)
        split = tokens > 0
        left = np.where(split, spent, 0)
        each = left / np.where(split, tokens, 1)
        for name, part_tokens in zip(_PROMPT[:-1], prompts.T, strict=False):
            part = np.rint(each * part_tokens).astype(np.int64)
            self._add(name, chunk, part)
            left = left - part
        self._add(USER, chunk, left)
        self._add(INPUT, chunk, np.where(split, 0, spent))

    def _add_extra(self, chunk: Chunk, found: Sequence[RowAccount | None], priced: NDArray[np.bool_]) -> Whole:
        """What calls beyond the answering one cost, by row."""
        items: dict[str, tuple[list[int], list[int]]] = {}
        for row, account in enumerate(found):
            if account is not None and account.extra and priced[row]:
                for purpose, cost in account.extra.items():
                    rows, costs = items.setdefault(purpose_name(purpose), ([], []))
                    rows.append(row)
                    costs.append(cost)
        extra = np.zeros(len(found), np.int64)
        for name, (rows, costs) in items.items():
            of_purpose = np.array(costs, np.int64)
            self._sums(name).add(chunk.kinds[rows], of_purpose)
            np.add.at(extra, rows, of_purpose)
        return extra

    def _add(self, name: str, chunk: Chunk, values: Whole) -> None:
        if values.any():
            self._sums(name).add(chunk.kinds, values)

    def _sums(self, name: str) -> Sums:
        return self.parts.setdefault(name, Sums())


def in_order(names: Sequence[str]) -> list[str]:
    """Input, output, calls beyond; what is not told apart comes last."""
    listed = [name for name in ORDER if name in names]
    return [*listed, *sorted(set(names) - set(listed) - {UNTOLD}), *([UNTOLD] if UNTOLD in names else [])]


def _prompts(found: Sequence[RowAccount | None]) -> NDArray[np.float64]:
    nothing = (0, 0, 0, 0)
    return np.array([nothing if account is None else account.prompt or nothing for account in found], np.float64)


class _Prices:
    """Prices by kind of row, looked up once a kind: (from how many input tokens, input, cached, written, output), the longest step last."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._steps: list[list[tuple[float, float, float, float, float]]] = []

    def input_share(self, chunk: Chunk, kinds: Sequence[Kind]) -> NDArray[np.float64]:
        """Which share of each answering call's cost its input is; NaN: unknown."""
        self._steps += [self._of(kind) for kind in kinds[len(self._steps) :]]
        inputs, outputs = (np.where(values == UNKNOWN, np.nan, values) for values in (chunk.tokens_in, chunk.tokens_out))
        cached, written = (np.where(values == UNKNOWN, 0, values) for values in (chunk.tokens_cached, chunk.tokens_cache_write))
        here: list[int] = np.unique(chunk.kinds).tolist()
        table = np.full((max(here) + 1, max(len(self._steps[kind]) for kind in here) or 1, 5), np.nan)
        for kind in here:
            for place, step in enumerate(self._steps[kind]):
                table[kind, place] = step
        price: NDArray[np.float64] = table[chunk.kinds, 0]
        for place in range(1, table.shape[1]):
            longer: NDArray[np.float64] = table[chunk.kinds, place]
            price = np.where((inputs > longer[:, 0])[:, None], longer, price)
        spent_in = (inputs - cached - written) * price[:, 1] + cached * price[:, 2] + written * price[:, 3]
        spent = spent_in + outputs * price[:, 4]
        return np.divide(spent_in, spent, out=np.full(len(spent), np.nan), where=spent > 0)

    def _of(self, kind: Kind) -> list[tuple[float, float, float, float, float]]:
        rate = self._rates(kind.provider, kind.model) if kind.provider is not None and kind.model is not None else None
        if rate is None:
            return []
        return [(0.0, *_numbers(rate)), *((float(step.above_input_tokens), *_numbers(step.rate)) for step in rate.steps)]


def _numbers(rate: Rate) -> tuple[float, float, float, float]:
    def known(price: Decimal | None) -> float:
        return float(rate.input_usd_per_mtok if price is None else price)

    return float(rate.input_usd_per_mtok), known(rate.cached_usd_per_mtok), known(rate.cache_write_usd_per_mtok), float(rate.output_usd_per_mtok)
