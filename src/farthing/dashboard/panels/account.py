"""The account of the window: what would have been paid, what each lever changed, what was paid."""

from typing import NamedTuple

from farthing.core.account import SAVERS
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader, usd
from farthing.page import Block, Note, Stat, Stats, Step, Text, Waterfall, show

LABELS = {
    "cache": "cache",
    "route": "routing",
    "diet": "prompt diet",
    "retrieve": "retrieval",
    "output": "output limits",
    "calls": "calls saved",
    "batch": "batch",
    "prompt_cache": "prompt cache",
    "quantize": "quantized",
    "check": "checks",
}
_JUDGING = "judging"
_UNSAID = "not attributed"
_EMPTY = "No request in this window. Choose a longer one, or send traffic through the gateway: figures follow within a second or two."


class Saving(NamedTuple):
    """One lever's part, in picodollars, less what was spent on judging it."""

    lever: str
    saved: int
    low: int
    high: int
    judging: int


def savings(reader: Reader) -> list[Saving]:
    """By lever, in the order in which accounts are shown. Adds up to baseline less cost less judging, exactly."""
    parts = {name: (amount, low, high) for name, amount, low, high in reader.parts("saved")}
    judging = dict(reader.verdicts(("lever",), ("cost",)))
    sums = reader.total(("baseline", "compared_cost"))
    order = [*SAVERS, *sorted((parts.keys() | judging.keys()) - set(SAVERS) - {""})]
    found = [Saving(name, *parts.get(name, (0, 0, 0)), judging.get(name, 0)) for name in order if name in parts or judging.get(name)]
    if judging.get(""):
        found.append(Saving(_JUDGING, 0, 0, 0, judging[""]))
    unsaid = sums["baseline"] - sums["compared_cost"] - sum(saving.saved for saving in found)
    return [*found, Saving(_UNSAID, unsaid, unsaid, unsaid, 0)] if unsaid else found


def panel(reader: Reader) -> Panel:
    sums = reader.total(("requests", "priced", "compared", "cost", "compared_cost", "baseline"))
    found = savings(reader)
    judging = sum(saving.judging for saving in found)
    paid, baseline = sums["compared_cost"] + judging, sums["baseline"]
    blocks: list[Block] = [_headline(sums, paid, judging)] if sums["requests"] else [Note(_EMPTY)]
    if baseline or paid:
        blocks.append(_waterfall(found, baseline, paid))
    blocks += _notes(sums)
    rows = [(saving.lever, usd(saving.saved), usd(saving.low), usd(saving.high), usd(saving.judging)) for saving in found]
    rows = [("baseline", usd(baseline), None, None, None), *rows, ("paid", usd(paid), None, None, usd(judging))]
    return Panel("account", "The account", blocks, Figures(("part", "usd", "low_usd", "high_usd", "judging_usd"), rows))


def _headline(sums: dict[str, int], paid: int, judging: int) -> Stats:
    requests, compared, baseline = sums["requests"], sums["compared"], sums["baseline"]
    saved = (baseline - paid) / baseline if baseline else None
    rate = usd(paid) / compared * 1000 if compared else None
    before = usd(baseline) / compared * 1000 if compared else None
    hint = f"{show(saved, 'percent')} less" if saved is not None and saved >= 0 else f"{show(-saved, 'percent')} more" if saved is not None else ""
    if not compared:
        return Stats([*(Stat(label, "unknown") for label in ("You would have paid", "You paid", "Saved")), Stat("Requests", show(requests, "count"))])
    return Stats(
        [
            Stat("You would have paid", show(usd(baseline), "usd")),
            Stat("You paid", show(usd(paid), "usd"), f"{show(usd(judging), 'usd')} of it for judging" if judging else ""),
            Stat("Saved", show(usd(baseline - paid), "usd"), hint, "good" if saved and saved > 0 else None),
            Stat("Per 1K requests", show(rate, "usd"), f"was {show(before, 'usd')}"),
            Stat("Requests", show(requests, "count")),
        ]
    )


def _waterfall(found: list[Saving], baseline: int, paid: int) -> Waterfall:
    steps = tuple(_step(saving) for saving in found)
    best = max(steps, key=lambda step: step.saved, default=None)
    share = f"{best.name} saved most, {show(best.saved, 'usd')}." if best is not None and best.saved > 0 else "No lever saved money here."
    return Waterfall(
        title="What you would have paid, and what you paid",
        summary=f"From {show(usd(baseline), 'usd')} to {show(usd(paid), 'usd')}; {share}",
        start=usd(baseline),
        steps=steps,
        start_label="would have paid",
        end_label="paid",
        height_px=250,
    )


def _step(saving: Saving) -> Step:
    estimated = saving.low != saving.saved or saving.high != saving.saved
    low, high = (usd(saving.low - saving.judging), usd(saving.high - saving.judging)) if estimated else (None, None)
    note = f"after {show(usd(saving.judging), 'usd')} for judging it" if saving.judging and saving.lever != _JUDGING else None
    note = "rows from before accounts were kept" if saving.lever == _UNSAID else note
    return Step(LABELS.get(saving.lever, saving.lever), usd(saving.saved - saving.judging), low, high, note)


def _notes(sums: dict[str, int]) -> list[Block]:
    left_out = sums["requests"] - sums["compared"]
    if not left_out:
        return []
    more = sums["cost"] - sums["compared_cost"]
    cost = f" They cost {show(usd(more), 'usd')} where that is known." if more else ""
    share = f"{show(left_out, 'count')} of {show(sums['requests'], 'count')} requests"
    return [
        Text(f"{share} are not in the account: cost or baseline is unknown.{cost}"),
    ]
