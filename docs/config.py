"""Write docs/config.md from the descriptions in src/farthing/config/: `python docs/config.py`."""

from pathlib import Path

from farthing.settings import tree

PAGE = Path(__file__).with_suffix(".md")

HEAD = """# farthing.toml

This page is written by `python docs/config.py` from `src/farthing/config/`; change the descriptions there. `farthing config show --describe`
prints the same with your own values, `farthing config check` says whether a file is good.

The file is `--config`, else `$FARTHING_CONFIG`, else `./farthing.toml`; without one, keys in the environment make the services
(`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ... with `<SERVICE>_BASE_URL` to move one), and without keys the shipped recordings answer. An unknown key
is an error that names the nearest known one. Secrets never stand in the file: `api_key_env` names the environment variable that holds one.

In a path, `<name>` is a name of your own and `[]` a row of a list (`[[guard.rows]]` in TOML). No default: unset.
"""


def page() -> str:
    """The whole page, a section per table of the file."""
    keys = tree.all_keys()
    sections = [_section(key, [other for other in keys if other.path.startswith(f"{key.path}.")]) for key in keys if "." not in key.path]
    return "\n".join([HEAD, *sections])


def _section(table: tree.Key, keys: list[tree.Key]) -> str:
    rows = "".join(f"| `{key.path}` | {_cell(key.expects)} | {_code(key.default)} | {_cell(key.description)} |\n" for key in keys)
    listed = f"\n| key | takes | default | what it does |\n|---|---|---|---|\n{rows}" if rows else ""
    return f"## {table.path}\n\n{table.description}\n{listed}"


def _code(default: str) -> str:
    return f"`{default}`" if default else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
