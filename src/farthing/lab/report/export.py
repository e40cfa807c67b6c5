"""A report for programs."""

from decimal import Decimal
from typing import Any, cast

import msgspec

from farthing.core.money import format_usd
from farthing.lab.report.figures import Report


def as_json(report: Report) -> str:
    """The report as JSON; money as exact decimal text, unknown as null."""
    return msgspec.json.format(msgspec.json.encode(_plain(msgspec.to_builtins(report, builtin_types=(Decimal,))))).decode()


def _plain(value: Any) -> Any:
    """Decimals as plain digits: no reader has to know exponents."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast(list[Any], value)]
    return format_usd(value) if isinstance(value, Decimal) else value
