"""Fill the tables of README.md from bench/out/*.json, which the other scripts write: `python bench/readme.py`.

`python bench/readme.py savings` fills the table of savings alone: where only that script ran, the other figures stay as they are.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from _harness import OUT, ROOT
from _savings_table import lines

README = ROOT / "README.md"
_TABLE = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)
_SAVINGS = re.compile(r"(<!-- savings -->\n).*?(<!-- /savings -->)", re.DOTALL)
_HEAD = "| figure | measured | goal | | script |\n|---|---:|---:|---|---|\n"


def rows() -> Iterator[str]:
    """One line per figure, by script."""
    for path in sorted(OUT.glob("*.json")):
        for figure in json.loads(path.read_text())["figures"]:
            yield f"| {figure['name']} | {_value(figure['value'])} {figure['unit']} | {_goal(figure)} | {_verdict(figure)} | `bench/{path.stem}.py` |"


def promises() -> Iterator[str]:
    """The lines that the reliability and security tests print."""
    for printed in sorted(OUT.glob("*.txt")):
        for line in printed.read_text().splitlines():
            yield f"- {line} (`bench/{printed.stem}.py`)"


def fill(readme: str) -> str:
    """The text with its table made anew."""
    table = _HEAD + "".join(f"{row}\n" for row in rows())
    listed = "".join(f"{line}\n" for line in promises())
    return _TABLE.sub(lambda found: found[1] + table + (f"\n{listed}" if listed else "") + found[2], readme)


def fill_savings(readme: str) -> str:
    """The text with its table of savings made anew, if there is one."""
    saved = savings()
    return readme if saved is None else _SAVINGS.sub(lambda found: found[1] + saved + found[2], readme)


def savings() -> str | None:
    """The table of bench/savings.py; `None` where it did not run."""
    path = OUT / "savings.json"
    if not path.exists():
        return None
    raw = json.loads(path.read_text())["raw"]
    return "".join(f"{line}\n" for line in lines(raw["sets"], raw["repeats"]))


def _value(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _verdict(figure: dict[str, Any]) -> str:
    return "" if figure["goal"] is None else "met" if figure["met"] else "missed"


def _goal(figure: dict[str, Any]) -> str:
    if figure["goal"] is None:
        return "reference"
    sign = "≤" if figure.get("at_most", True) else "≥"
    return f"{sign} {figure['goal']:,g} {figure['unit']}"


if __name__ == "__main__":
    text = fill_savings(README.read_text())
    README.write_text(text if sys.argv[1:] == ["savings"] else fill(text))
