"""What is sampled, judged and tried: `[sampling]`, `[quality]`, `[experiments]`."""

from typing import Annotated, Literal

from farthing.config.route import Rule
from farthing.config.table import Count, NotNegative, Share
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Sampling(_Table, frozen=True):
    """Shares of traffic, drawn by hash of the request id, so that a draw can be repeated."""

    log: Annotated[Share, _key("Share whose prompt and answer are written to the ledger, redacted.")] = 0.0
    judge: Annotated[Share, _key("Share marked for the judge.")] = 0.0
    shadow: Annotated[Share, _key("Share marked for a shadow call.")] = 0.0


class QualityShare(_Table, frozen=True):
    """Shares of the answers that meet its conditions, in place of those under [sampling]; the first that matches decides."""

    endpoint: Annotated[tuple[str, ...] | None, _key("Endpoints.")] = None
    tier: Annotated[tuple[str, ...] | None, _key("Tiers that the answer came from.")] = None
    cache: Annotated[tuple[str, ...] | None, _key("How the cache served it: miss, exact, normalised, semantic.")] = None
    judge: Annotated[Share, _key("Share that is judged.")] = 0.0
    shadow: Annotated[Share, _key("Share that the other tier answers too, unserved.")] = 0.0


class Quality(_Table, frozen=True):
    """The quality guard: a share of answers is judged against the expensive tier's, out of band (docs/quality.md)."""

    judge: Annotated[str | None, _key("Model that judges, as service/model or model. Unset: nothing is judged or shadowed, nothing costs.")] = None
    daily_usd: Annotated[NotNegative, _key("Most that judging and shadowing may cost in a day, UTC; over all workers.")] = 1.0
    shares: Annotated[tuple[QualityShare, ...], _key("Shares by endpoint, tier and cache kind; first match wins.")] = ()
    waiting: Annotated[int, _key("Answers that wait to be judged in one worker; more are dropped, and counted.", ge=1)] = 256
    at_once: Annotated[int, _key("Answers that one worker has judged at the same time.", ge=1)] = 4
    timeout_s: Annotated[float, _key("Longest time for one answer, all calls together.", gt=0)] = 120.0
    cool_down_s: Annotated[float, _key("How long a lever that broke its floor stays down before it is tried again; doubles each time.", gt=0)] = (
        3600.0
    )
    trial_share: Annotated[float, _key("Share of the traffic that tries it then, all of it judged.", gt=0, le=1)] = 0.1


class Arm(_Table, frozen=True):
    """One arm of an experiment: its share of the runs, and what is different in it. A key that is unset is as everywhere."""

    share: Annotated[float, _key("Share of the runs.", gt=0, le=1)]
    levers_off: Annotated[tuple[str, ...] | None, _key("Levers that do not act in this arm: names as in endpoints.X.levers_off.")] = None
    otherwise: Annotated[Literal["cheap", "expensive"] | None, _key("In place of route.otherwise.")] = None
    rules: Annotated[tuple[Rule, ...] | None, _key("In place of route.rules.")] = None
    cheap: Annotated[tuple[str, ...] | None, _key("In place of tiers.cheap.")] = None
    expensive: Annotated[tuple[str, ...] | None, _key("In place of tiers.expensive.")] = None
    max_output_tokens: Annotated[Count | None, _key("In place of the endpoint's.")] = None


class Experiment(_Table, frozen=True):
    """An A/B test: runs (x-farthing-run) are split over arms by hash, so that one run stays in one arm. Runs beyond the shares take no part."""

    arms: Annotated[dict[str, Arm], _key("Arms by name; the first is what the others are compared with.")] = {}
    endpoints: Annotated[tuple[str, ...], _key("Endpoints that take part; empty: all.")] = ()
