"""Fill docs/figures.md and the savings of README.md from bench/out/*, which the other scripts write: `python bench/readme.py`.

Figures of scripts that have written nothing stay as they are. `python bench/readme.py savings` fills the table of savings alone.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from _harness import OUT, ROOT
from _savings_table import lines

README = ROOT / "README.md"
FIGURES = ROOT / "docs" / "figures.md"
_TABLE = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)
_SAVINGS = re.compile(r"(<!-- savings -->\n).*?(<!-- /savings -->)", re.DOTALL)
_HEAD = "| figure | measured | goal | | script |\n|---|---:|---:|---|---|\n"


def rows() -> dict[str, list[str]]:
    """The lines of each script that wrote figures; the savings have a table of their own."""
    found: dict[str, list[str]] = {}
    for path in sorted(OUT.glob("*.json")):
        script = _script(path)
        if path.stem != "savings":
            lines_of = found.setdefault(script, [])
            for figure in json.loads(path.read_text())["figures"]:
                measured = f"{_value(figure['value'], figure['unit'])} {figure['unit']}"
                lines_of.append(f"| {figure['name']} | {measured} | {_goal(figure)} | {_verdict(figure)} | `{script}` |")
    return found


def promises() -> dict[str, list[str]]:
    """The lines that the reliability and security tests print, by the script that ran them."""
    return {_script(path): [f"- {line} (`{_script(path)}`)" for line in path.read_text().splitlines()] for path in sorted(OUT.glob("*.txt"))}


def _script(path: Path) -> str:
    """`route-pairs.json` is written by `bench/route.py`; each part has its lines."""
    name = path.stem if (ROOT / "bench" / f"{path.stem}.py").exists() else path.stem.replace("-", "_").rpartition("_")[0]
    return f"bench/{name}.py"


def fill(page: str) -> str:
    """The text with its table made anew where a script has written, and as it was where not."""
    found = _TABLE.search(page)
    if found is None:
        return page
    old = found[0].splitlines()
    table = _merged([line for line in old if line.startswith("| ") and "`bench/" in line], rows())
    listed = _merged([line for line in old if line.startswith("- ")], promises())
    text = _HEAD + "".join(f"{line}\n" for line in table) + ("\n" + "".join(f"{line}\n" for line in listed) if listed else "")
    return page[: found.start()] + found[1] + text + found[2] + page[found.end() :]


def _merged(old: list[str], new: dict[str, list[str]]) -> list[str]:
    kept: dict[str, list[str]] = {}
    for line in old:
        kept.setdefault(re.findall(r"bench/\w+\.py", line)[-1], []).append(line)
    return [line for _, lines_of in sorted((kept | new).items()) for line in lines_of]


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


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit == "x":
        return f"{value:,.4f}" if abs(value) < 1.2 else f"{value:,.2f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _verdict(figure: dict[str, Any]) -> str:
    return "" if figure["goal"] is None else "met" if figure["met"] else "missed"


def _goal(figure: dict[str, Any]) -> str:
    if figure["goal"] is None:
        return "reference"
    sign = "≤" if figure.get("at_most", True) else "≥"
    return f"{sign} {figure['goal']:,g} {figure['unit']}"


if __name__ == "__main__":
    README.write_text(fill_savings(README.read_text()))
    if sys.argv[1:] != ["savings"]:
        FIGURES.write_text(fill(FIGURES.read_text()))
