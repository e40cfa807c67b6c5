"""What the tables of the configuration have in common, and the numbers that stand in them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A TOML table."""


def key(description: str, **constraints: Any) -> Meta:
    """What a key means, and what its value may be."""
    return Meta(description=description, **constraints)
