"""What the tables of the configuration have in common."""

from typing import Any

import msgspec
from msgspec import Meta


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A TOML table."""


def key(description: str, **constraints: Any) -> Meta:
    """What a key means, and what its value may be."""
    return Meta(description=description, **constraints)
