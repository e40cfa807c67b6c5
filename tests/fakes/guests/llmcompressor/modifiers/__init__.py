"""Modifiers."""

from typing import Any


class Modifier:
    """Keeps what it was made with."""

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
