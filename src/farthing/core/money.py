"""Money in USD as `Decimal`; stored as whole picodollars, so that sums are exact.

One picodollar is 1e-12 USD. The cheapest known token (0.01 USD per million) is 10,000 of them.
"""

from decimal import ROUND_HALF_EVEN, Decimal

PICO = Decimal(1_000_000_000_000)
ZERO_USD = Decimal(0)


def to_picousd(amount_usd: Decimal) -> int:
    """Whole picodollars, rounded half to even."""
    return int((amount_usd * PICO).to_integral_value(ROUND_HALF_EVEN))


def from_picousd(amount_picousd: int) -> Decimal:
    return Decimal(amount_picousd) / PICO


def format_usd(amount_usd: Decimal | None) -> str:
    """Plain digits for a header or a table, `unknown` for `None`; never an exponent."""
    if amount_usd is None:
        return "unknown"
    text = format(amount_usd.quantize(Decimal(1).scaleb(-12)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
