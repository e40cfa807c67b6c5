"""Prints, at the end of a run, the figure that each promise came to (see `fakes/figures.py`)."""

import hypothesis  # noqa: F401 - first of all: CPython 3.11 may fail to read a module deep inside the import of others (gh-106905)
import pytest

from tests.fakes.figures import LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LINES:
        terminalreporter.section("figures")
        for line in LINES:
            terminalreporter.write_line(line)
