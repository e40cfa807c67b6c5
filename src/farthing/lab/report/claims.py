"""What decisions say besides money, added up as they stream by: tokens spared, and levers that failed open."""

from collections.abc import Iterable

import msgspec

from farthing.lab.report.figures import Claims


class _Claim(msgspec.Struct, gc=False):
    """What the report reads of a `Decision`."""

    lever: str
    saved_tokens: int | None = None
    failed_open: bool = False


class _Sum:
    """The claims of one lever so far."""

    def __init__(self) -> None:
        self.saved_tokens: int | None = None
        self.failed_open = 0

    def add(self, claim: _Claim) -> None:
        self.failed_open += claim.failed_open
        if claim.saved_tokens is not None:
            self.saved_tokens = claim.saved_tokens + (self.saved_tokens or 0)


class LeverClaims:
    """The levers that spared tokens or failed open."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(list[_Claim]).decode
        self._sums: dict[str, _Sum] = {}

    def add(self, decisions: Iterable[str | None]) -> None:
        """The decisions of some requests, as JSON. What cannot be read claims nothing."""
        for text in decisions:
            if text is None or ('"saved_tokens' not in text and '"failed_open' not in text):
                continue
            try:
                claims = self._decode(text)
            except msgspec.DecodeError:
                continue
            for claim in claims:
                if claim.saved_tokens is not None or claim.failed_open:
                    self._sums.setdefault(claim.lever, _Sum()).add(claim)

    def lines(self) -> tuple[Claims, ...]:
        """One line a lever, by name."""
        return tuple(Claims(lever, total.saved_tokens, total.failed_open) for lever, total in sorted(self._sums.items()))
