"""How a tier is picked: `[route]`."""

from typing import Annotated, Literal

from farthing.config.table import Count, Share
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Match(_Table, frozen=True):
    """Conditions of a rule; all that are set must hold."""

    domain: Annotated[tuple[str, ...] | None, _key("metadata.domain of the request, or the classifier's.")] = None
    risk: Annotated[tuple[Literal["low", "medium", "high"], ...] | None, _key("Risk level.")] = None
    tenant_tier: Annotated[tuple[str, ...] | None, _key("Tier of the tenant, such as enterprise.")] = None
    tenant: Annotated[tuple[str, ...] | None, _key("Tenants.")] = None
    endpoint: Annotated[tuple[str, ...] | None, _key("Endpoints.")] = None
    task: Annotated[tuple[str, ...] | None, _key("Task types.")] = None
    language: Annotated[tuple[str, ...] | None, _key("Languages, ISO 639-1.")] = None
    needs_documents: Annotated[bool | None, _key("Whether the question needs documents.")] = None
    query_tokens_below: Annotated[Count | None, _key("Last user turn shorter than this.")] = None
    input_tokens_below: Annotated[Count | None, _key("Whole input shorter than this.")] = None
    complexity_below: Annotated[Share | None, _key("Complexity under this.")] = None


class Rule(_Table, frozen=True):
    """One routing rule; the first that matches decides."""

    name: Annotated[str, _key("Shown in the decision.")]
    tier: Annotated[Literal["cheap", "expensive"], _key("Where matching requests go.")]
    when: Annotated[Match, _key("Conditions.")] = Match()
    min_confidence: Annotated[float, _key("Classifier confidence below this falls back to expensive.", ge=0, le=1)] = 0.0
    decides: Annotated[bool, _key("false: only advice, which a learned router may overrule.")] = True


class LearnedRoute(_Table, frozen=True):
    """A router trained on graded answers (`farthing router train`), inside what the rules leave open."""

    artefact: Annotated[str | None, _key("File of the router in place; unset: rules only.")] = None
    enabled: Annotated[bool, _key("false: rules only, whatever the file says.")] = True
    cascade: Annotated[bool, _key("Let it read cheap answers before they are served; streams then wait for the whole answer.")] = True
    explore: Annotated[float, _key("Most of what it sends to the expensive tier that may go cheap to learn, within the floor.", ge=0, le=0.2)] = 0.0


class AskedRoute(_Table, frozen=True):
    """A cheap model that says how hard a request is, in one token. Its cost is charged to routing."""

    model: Annotated[str | None, _key("Model as service/model or model; unset: nobody is asked.")] = None
    easy_up_to: Annotated[int, _key("Difficulty from 1 to 5 that still goes to the cheap tier.", ge=1, le=5)] = 2
    grey_gap: Annotated[float, _key("With a learned router: asked only where its gap is this near the cut, and only able to say no.", ge=0)] = 0.02


class Route(_Table, frozen=True):
    """How `farthing/auto` picks a tier."""

    rules: Annotated[tuple[Rule, ...] | None, _key("First match wins; unset: the shipped defaults (docs/levers/route.md).")] = None
    otherwise: Annotated[Literal["cheap", "expensive"], _key("Tier when no rule matches.")] = "expensive"
    learned: Annotated[LearnedRoute, _key("The learned router.")] = LearnedRoute()
    asked: Annotated[AskedRoute, _key("A model as router.")] = AskedRoute()
    sticky_s: Annotated[float, _key("A session keeps its model for this long after its last call; 0: off.", ge=0)] = 3600.0
