"""Who is drawn: shares by endpoint, tier and cache kind. Pure, and the same request is always drawn the same way."""

from farthing.config import Config, QualityShare, Sampling
from farthing.core.draw import fraction


def widest(config: Config) -> Sampling:
    """Shares that draw at least whoever will be drawn once tier and cache kind are known."""
    sampling, rows = config.sampling, config.quality.shares
    if not rows:
        return sampling
    judge, shadow = (max(getattr(row, name) for row in (sampling, *rows)) for name in ("judge", "shadow"))
    return Sampling(log=sampling.log, judge=judge, shadow=shadow)


def narrow(sampled: str | None, request_id: str, config: Config, *, endpoint: str, tier: str | None, cache: str) -> str | None:
    """Those of `sampled` that the share of this very kind of answer draws."""
    if sampled is None or not config.quality.shares:
        return sampled
    found = next((row for row in config.quality.shares if _meets(row, endpoint, tier, cache)), config.sampling)
    kept = [name for name in sampled.split(",") if name == "log" or fraction(f"{name}:{request_id}") < getattr(found, name)]
    return ",".join(kept) or None


def _meets(row: QualityShare, endpoint: str, tier: str | None, cache: str) -> bool:
    kind = "miss" if cache == "bypass" else cache
    return (
        (row.endpoint is None or endpoint in row.endpoint)
        and (row.tier is None or (tier or "none") in row.tier)
        and (row.cache is None or kind in row.cache)
    )


def with_draw(sampled: str | None, name: str) -> str:
    """Drawn for one thing more."""
    return name if sampled is None else sampled if name in sampled.split(",") else f"{sampled},{name}"
