"""The table of `bench/savings.py` in Markdown, for the terminal and for the README."""

from collections.abc import Iterator
from typing import Any

WORDS = {
    "cache": "cache: answers reused",
    "route": "route: easy questions to the cheap model",
    "diet": "diet: shorter prompts",
    "retrieve": "retrieve: fewer passages",
    "output": "output: limits",
    "calls": "calls saved",
    "batch": "batch",
    "prompt_cache": "provider's prompt cache",
    "quantize": "quantized models of one's own",
    "check": "check: repairs",
}
NOTE = (
    "Recorded answers of real models to real, graded prompts, through the whole gateway as a process (`farthing/auto`, half of it streamed), every "
    "lever at its defaults, and a router trained on other questions of the same set where the column says so; money read off the ledger at list "
    "prices. {repeats:.0%} of the requests repeat an earlier question word for word (Zipf over the questions asked before): an assumption, the data "
    "have no repeats. The dear models' texts are not in the data, only their grades and lengths: they are stood in for by text of that length. The "
    "account's baseline prices the answer that was served; the bill with every lever off prices the dear model's own answers. A question "
    "weighs as often as it is asked, so that a few hot ones carry the quality of a column: hence the width of its interval. In brackets: 95 % "
    "interval, bootstrap over questions. `bench/savings.py --router`"
)
Result = dict[str, Any]


def lines(sets: list[Result], repeats: float) -> Iterator[str]:
    """The table, a set a column, and what to know of it."""
    yield "| | " + " | ".join(f"{one['title']}: {one['setting']}" for one in sets) + " |"
    yield "|---|" + "---:|" * len(sets)
    for name, cells in _rows(sets):
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""
    yield NOTE.format(repeats=repeats)


def _rows(sets: list[Result]) -> Iterator[tuple[str, list[str]]]:
    yield "baseline model", [one["expensive"] for one in sets]
    yield "cheap model", [one["cheap"] for one in sets]
    yield "requests (questions)", [f"{one['requests']:,} ({one['questions']:,})" for one in sets]
    yield "reused; answered by the cheap model", [f"{one['hits']:.1%}; {one['cheap_share']:.1%}" for one in sets]
    yield "baseline, 1,000 requests", [_usd(one["baseline"], 1000) for one in sets]
    for lever in dict.fromkeys(lever for one in sets for lever in one["levers"]):
        yield f"− {WORDS[lever]}", [_part(one, lever) for one in sets]
    yield "**paid, 1,000 requests**", [f"**{_usd(one['cost'], 1000)}**" for one in sets]
    yield "**saved**", [f"**{_share(one['saved_share'])}**" for one in sets]
    yield "saved per 1K / 100K / 1M requests", [" / ".join(_short(one["saved"]["value"] * count) for count in (1e3, 1e5, 1e6)) for one in sets]
    yield "right answers: baseline, served", [f"{one['quality_before']:.1%}, {one['quality_after']:.1%}" for one in sets]
    yield "**quality kept**", [f"**{_share(one['quality_kept'])}**" for one in sets]
    yield "bill with every lever off, 1,000 requests", [_usd(one["measured"], 1000) for one in sets]
    yield "paid less than that bill", [_share(one["measured_share"]) for one in sets]


def _usd(found: Result, count: float) -> str:
    inside = "" if found["low"] is None else f" [{found['low'] * count:,.3f}, {found['high'] * count:,.3f}]"
    return f"${found['value'] * count:,.3f}{inside}"


def _share(found: Result) -> str:
    inside = "" if found["low"] is None else f" [{found['low']:.1%}, {found['high']:.1%}]"
    return f"{found['value']:.1%}{inside}"


def _part(one: Result, lever: str) -> str:
    found = one["levers"].get(lever)
    return "" if found is None else f"{_usd(found, 1000)}, {found['value'] / one['baseline']['value']:.1%}"


def _short(usd: float) -> str:
    return f"${usd:,.0f}" if abs(usd) >= 100 else f"${usd:,.2f}"
