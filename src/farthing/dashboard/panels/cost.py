"""What a thousand requests cost, by endpoint and tier, and where the money goes."""

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import REUSED, UNSERVED, Reader, usd
from farthing.page import Bars, Block, Cell, Column, Group, Table, Tone, show

TONES: dict[str, Tone] = {"cheap": "cheap", "expensive": "expensive", REUSED: "accent"}
_MOST_ENDPOINTS = 14
_ORDER = ("cheap", "expensive")


def panel(reader: Reader) -> Panel:
    rows = reader.sums(("endpoint", "served"), ("requests", "priced", "compared", "cost", "compared_cost", "baseline"))
    found = {(endpoint, served): sums for endpoint, served, *sums in rows}
    figures = [(*key, sums[0], usd(sums[3]), _per_1k(sums[4], sums[2]), _per_1k(sums[5], sums[2])) for key, sums in sorted(found.items())]
    columns = ("endpoint", "tier", "requests", "cost_usd", "per_1k_usd", "baseline_per_1k_usd")
    blocks: list[Block] = [_bars(found), _table(found)] if found else []
    return Panel("cost", "Cost per 1K requests", blocks, Figures(columns, figures), "By endpoint and tier")


def by_weight(names: dict[str, int]) -> list[str]:
    return sorted(names, key=lambda name: (-names[name], name))


def tiers_of(names: set[str]) -> list[str]:
    """The known ones first, in their order; what no model answered is none."""
    return [name for name in (*_ORDER, REUSED) if name in names] + sorted(names - {*_ORDER, REUSED, UNSERVED})


def _per_1k(amount: int, requests: int) -> float | None:
    return usd(amount) / requests * 1000 if requests else None


def _endpoints(found: dict[tuple[str, str], list[int]]) -> list[str]:
    weights: dict[str, int] = {}
    for (endpoint, _), sums in found.items():
        weights[endpoint] = weights.get(endpoint, 0) + sums[0]
    return by_weight(weights)[:_MOST_ENDPOINTS]


def _bars(found: dict[tuple[str, str], list[int]]) -> Bars:
    endpoints = _endpoints(found)
    tiers = [tier for tier in tiers_of({tier for _, tier in found}) if tier != REUSED]
    series = tuple(Group(tier, tuple(_rate(found, endpoint, tier) for endpoint in endpoints), tone=TONES.get(tier)) for tier in tiers)
    return Bars(
        title="Cost per 1K requests that a model answered",
        summary="By endpoint, for each tier.",
        categories=tuple(endpoint or "none" for endpoint in endpoints),
        series=series,
        unit="usd",
    )


def _rate(found: dict[tuple[str, str], list[int]], endpoint: str, tier: str) -> float | None:
    sums = found.get((endpoint, tier))
    return None if sums is None else _per_1k(sums[3], sums[1])


def _table(found: dict[tuple[str, str], list[int]]) -> Table:
    rows: list[list[Cell | str]] = []
    whole = sum(sums[3] for sums in found.values())
    for endpoint in _endpoints(found):
        sums = [sum(column) for column in zip(*(sums for (name, _), sums in found.items() if name == endpoint), strict=True)]
        requests, _, compared, cost, compared_cost, baseline = sums
        saved = (baseline - compared_cost) / baseline if baseline else None
        share = Cell(show(usd(cost), "usd"), share=cost / whole if whole else 0)
        rates = (show(_per_1k(baseline, compared), "usd"), show(_per_1k(compared_cost, compared), "usd"))
        rows.append(
            [endpoint or "none", show(requests, "count"), share, *rates, Cell(show(saved, "percent"), "good" if saved and saved > 0 else None)]
        )
    heads = [Column(name, right=True) for name in ("Requests", "Cost", "Baseline per 1K", "Paid per 1K", "Saved")]
    return Table(["Endpoint", *heads], rows)


def money(reader: Reader) -> Panel:
    """Where the money goes: what prompts are made of, and calls beyond the one that answered."""
    sums = reader.total(("requests", "compared", "cost", "tokens_in", "tokens_out"))
    extra = [(name, amount) for name, amount, _, _ in reader.parts("extra")]
    judging = sum(cost for _, cost in reader.verdicts(("source",), ("cost",)))
    purposes = [("answers", sums["cost"] - sum(amount for _, amount in extra)), *extra, *([("judging", judging)] if judging else [])]
    prompt = [(name, amount) for name, amount, _, _ in reader.parts("prompt")]
    blocks: list[Block] = []
    if any(amount for _, amount in purposes):
        blocks.append(_sideways("Money, by purpose of the call", "Retries, repairs and judges beside the answers.", purposes, money=True))
    if any(amount for _, amount in prompt):
        blocks.append(_sideways("What prompts are made of", "Input tokens by part.", prompt, money=False))
    figures = [("purpose", name, usd(amount), None) for name, amount in purposes] + [("prompt", name, None, amount) for name, amount in prompt]
    return Panel("money", "Where the money goes", blocks, Figures(("kind", "name", "usd", "tokens"), figures))


def _sideways(title: str, summary: str, items: list[tuple[str, int]], *, money: bool) -> Bars:
    return Bars(
        title=title,
        summary=summary,
        categories=tuple(name for name, _ in items),
        series=(Group("USD" if money else "tokens", tuple(usd(amount) if money else float(amount) for _, amount in items)),),
        unit="usd" if money else "tokens",
        sideways=True,
    )
