"""The configuration: one typed tree, from `farthing.toml` and the environment.

Every key carries its description (`farthing config show --describe` prints them). An unknown key is an error that names the
nearest known one. Secrets are named by environment variable, never written here.
"""

from typing import Annotated

from farthing.config.batch import Batch
from farthing.config.cache import Cache, CacheSlot
from farthing.config.context import FewShot, FewShotExample, PromptCache
from farthing.config.endpoints import Caps, Endpoint
from farthing.config.flows import Flow
from farthing.config.limits import Check, Guard, GuardRow, Limits
from farthing.config.local import Local
from farthing.config.quality import Arm, Experiment, Quality, QualityShare, Sampling
from farthing.config.route import AskedRoute, LearnedRoute, Match, Route, Rule
from farthing.config.semantic import Semantic
from farthing.config.services import Model, Resilience, Service, Tiers
from farthing.config.serving import Log, Server, Store, Telemetry
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key
from farthing.config.tokens import Diet, Expansion, Lossy, Output, Retrieve, Synonyms

__all__ = [
    "Arm",
    "AskedRoute",
    "Batch",
    "Cache",
    "CacheSlot",
    "Caps",
    "Check",
    "Config",
    "Diet",
    "Endpoint",
    "Expansion",
    "Experiment",
    "FewShot",
    "FewShotExample",
    "Flow",
    "Guard",
    "GuardRow",
    "LearnedRoute",
    "Limits",
    "Local",
    "Log",
    "Lossy",
    "Match",
    "Model",
    "Output",
    "PromptCache",
    "Quality",
    "QualityShare",
    "Resilience",
    "Retrieve",
    "Route",
    "Rule",
    "Sampling",
    "Semantic",
    "Server",
    "Service",
    "Store",
    "Synonyms",
    "Telemetry",
    "Tiers",
]


class Config(_Table, frozen=True):
    """The whole configuration."""

    server: Annotated[Server, _key("Where the gateway listens.")] = Server()
    store: Annotated[Store, _key("Where it remembers.")] = Store()
    services: Annotated[dict[str, Service], _key("Model services by name.")] = {}
    local: Annotated[dict[str, Local], _key("Models that run here, by name (`farthing local up`).")] = {}
    models: Annotated[dict[str, Model], _key("Model facts and prices by name.")] = {}
    tiers: Annotated[Tiers, _key("Cheap and expensive.")] = Tiers()
    route: Annotated[Route, _key("Routing rules.")] = Route()
    cache: Annotated[Cache, _key("Answer reuse.")] = Cache()
    diet: Annotated[Diet, _key("Prompt diet.")] = Diet()
    prompt_cache: Annotated[PromptCache, _key("What providers keep of prompts.")] = PromptCache()
    retrieve: Annotated[Retrieve, _key("Documents for answers.")] = Retrieve()
    endpoints: Annotated[dict[str, Endpoint], _key("Product features by name (x-farthing-endpoint); 'default' for the rest.")] = {}
    flows: Annotated[dict[str, Flow], _key("Fixed sequences of steps by name, served at /v1/ask (docs/levers/flows.md).")] = {}
    tenant_tiers: Annotated[dict[str, str], _key("Tier of a tenant, for rules: acme = 'enterprise'.")] = {}
    limits: Annotated[Limits, _key("Input and rate limits, budgets.")] = Limits()
    check: Annotated[Check, _key("Answer checks.")] = Check()
    guard: Annotated[Guard, _key("Guardrails.")] = Guard()
    sampling: Annotated[Sampling, _key("Shares of traffic.")] = Sampling()
    quality: Annotated[Quality, _key("The quality guard.")] = Quality()
    experiments: Annotated[dict[str, Experiment], _key("A/B tests by name; a request takes part in the first that has its endpoint.")] = {}
    batch: Annotated[Batch, _key("Patient work: files, batches, calls that may wait.")] = Batch()
    resilience: Annotated[Resilience, _key("Retries and breakers.")] = Resilience()
    log: Annotated[Log, _key("Logs.")] = Log()
    telemetry: Annotated[Telemetry, _key("OpenTelemetry.")] = Telemetry()

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name, else 'default', else one with no caps and every lever on."""
        return self.endpoints.get(name) or self.endpoints.get("default") or _NO_ENDPOINT


_NO_ENDPOINT = Endpoint()
