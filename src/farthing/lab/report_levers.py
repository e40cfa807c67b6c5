"""What each lever's decisions claim to have saved, added up as they stream by. Exact: claims are Decimals."""

from decimal import Decimal

import msgspec

from farthing.lab.report_figures import LeverSavings


class _Claim(msgspec.Struct, gc=False):
    """What the report reads of a `Decision`."""

    lever: str
    saved_tokens: int | None = None
    saved_usd: Decimal | None = None
    failed_open: bool = False


class _Sum:
    """The claims of one lever so far."""

    def __init__(self) -> None:
        self.claims = 0
        self.saved_usd: Decimal | None = None
        self.saved_tokens: int | None = None
        self.failed_open = 0

    def add(self, claim: _Claim) -> None:
        self.failed_open += claim.failed_open
        if claim.saved_usd is not None:
            self.saved_usd = claim.saved_usd + (self.saved_usd or 0)
        if claim.saved_tokens is not None:
            self.saved_tokens = claim.saved_tokens + (self.saved_tokens or 0)
        self.claims += claim.saved_usd is not None or claim.saved_tokens is not None


class LeverClaims:
    """The levers that claim a saving or failed open."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(list[_Claim]).decode
        self._sums: dict[str, _Sum] = {}

    def add(self, decisions: str) -> None:
        """The decisions of one request, as JSON."""
        if '"saved_' not in decisions and '"failed_open' not in decisions:
            return
        for claim in self._decode(decisions):
            if claim.saved_usd is not None or claim.saved_tokens is not None or claim.failed_open:
                self._sums.setdefault(claim.lever, _Sum()).add(claim)

    def lines(self) -> tuple[LeverSavings, ...]:
        """One line a lever, by name."""
        return tuple(
            LeverSavings(lever=lever, claims=total.claims, saved_usd=total.saved_usd, saved_tokens=total.saved_tokens, failed_open=total.failed_open)
            for lever, total in sorted(self._sums.items())
        )
