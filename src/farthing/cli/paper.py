"""The console that tables are printed on."""

from rich.console import Console

_WIDTH = 200  # where there is no terminal to ask


def console() -> Console:
    """The terminal as wide as it is; a pipe or a file wide enough that nothing is cut."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDTH)
