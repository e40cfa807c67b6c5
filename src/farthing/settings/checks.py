"""What the types cannot say: names that must point at something. Each mistake is one line with its key and the fix."""

from collections.abc import Iterator, Mapping

from farthing.brain.experiments import overlay
from farthing.brain.flows import flow_mistakes
from farthing.config import Config
from farthing.core.decision import SWITCHABLE
from farthing.core.errors import ConfigError, FarthingError
from farthing.models.catalog import Catalog
from farthing.settings.decode import nearest

_NEEDS = {"openai": "base_url", "anthropic": "base_url", "recorded": "recordings"}


def mistakes(config: Config) -> tuple[str, ...]:
    """Everything that would fail later, in the order of the file."""
    return (
        *_local(config),
        *_services(config),
        *_names(config),
        *_rules(config),
        *_endpoints(config),
        *_slots(config),
        *_quality(config),
        *_experiments(config),
        *_flows(config),
    )


def unset_variables(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Services whose key is named but not there: `services.groq.api_key_env: GROQ_API_KEY is not set`."""
    return tuple(
        f"services.{name}.api_key_env: the environment variable {service.api_key_env} is not set"
        for name, service in config.services.items()
        if service.api_key_env and not environ.get(service.api_key_env)
    )


def _local(config: Config) -> Iterator[str]:
    """Engines that would fight for a port, and services that point at none."""
    ports: dict[int, str] = {}
    for name, engine in config.local.items():
        if (other := ports.setdefault(engine.port, name)) != name:
            yield f"local.{name}.port is {engine.port}, as local.{other}.port is. Give each a port of its own."
    for name, service in config.services.items():
        if service.local is not None and service.local not in config.local:
            yield f"services.{name}.local names '{service.local}', which is not under [local]. {_choose(service.local, config.local)}"


def _services(config: Config) -> Iterator[str]:
    for name, service in config.services.items():
        if service.local is not None and service.local not in config.local:
            continue
        needed = _NEEDS[service.dialect]
        if not getattr(service, needed):
            yield f"services.{name}.{needed} is missing; a service of dialect '{service.dialect}' needs it."
        if service.base_url and not service.base_url.startswith(("http://", "https://")):
            yield f"services.{name}.base_url is {service.base_url!r}; expected http:// or https://, host and version path."
        if service.batch and service.dialect == "recorded":
            yield f"services.{name}.batch: recorded answers come in no batches. Leave it out."
        if "/" in name or not name:
            yield f"services.{name!r}: a service's name may not hold a slash; tiers name models as service/model."


def _slots(config: Config) -> Iterator[str]:
    """Questions known by name, where there are any."""
    if not config.cache.slots:
        return
    from farthing.brain.cache.normalise import Slots

    for row, slot in enumerate(config.cache.slots):
        try:
            Slots((slot,))
        except ConfigError as mistake:
            yield f"cache.slots[{row}]: {mistake.message}"
        for name in slot.endpoints:
            if name not in config.endpoints and name != "default":
                yield f"cache.slots[{row}] ('{slot.key}') names endpoint '{name}', which is not under [endpoints]. {_choose(name, config.endpoints)}"


def _names(config: Config) -> Iterator[str]:
    """Tiers and models that point at services."""
    try:
        Catalog(config)
    except ConfigError as mistake:
        yield mistake.message


def _rules(config: Config) -> Iterator[str]:
    tiers = {"cheap": config.tiers.cheap, "expensive": config.tiers.expensive}
    for row, rule in enumerate(config.route.rules or ()):
        if not tiers[rule.tier]:
            yield f"route.rules[{row}] ('{rule.name}') sends requests to the {rule.tier} tier, but tiers.{rule.tier} is empty. Name a model there."
    if any(tiers.values()) and not tiers[config.route.otherwise]:
        yield f"route.otherwise is '{config.route.otherwise}', but tiers.{config.route.otherwise} is empty. Name a model there."


def _endpoints(config: Config) -> Iterator[str]:
    for name, endpoint in config.endpoints.items():
        for lever in endpoint.levers_off:
            if lever not in SWITCHABLE:
                yield f"endpoints.{name}.levers_off names '{lever}', which is no lever. {_choose(lever, SWITCHABLE)}"
        if endpoint.lossy.rules and endpoint.quality_floor is None:
            yield (
                f"endpoints.{name}.lossy.rules leaves out parts of prompts, and nobody would notice where that costs the answer. "
                f"Set endpoints.{name}.quality_floor (0.97) and quality.judge."
            )


def _quality(config: Config) -> Iterator[str]:
    """The judge, and what needs one."""
    judge = config.quality.judge
    if judge is not None:
        try:
            Catalog(config).resolve(judge)
        except FarthingError as mistake:
            yield f"quality.judge: {mistake.message}"
        if not config.tiers.expensive:
            yield "quality.judge is set, but tiers.expensive is empty, and answers are judged against that tier's. Name a model there."
        return
    for name, endpoint in config.endpoints.items():
        if endpoint.quality_floor is not None:
            yield f"endpoints.{name}.quality_floor is set, but quality.judge names no model, so nobody would watch it. Set quality.judge."


def _experiments(config: Config) -> Iterator[str]:
    for name, experiment in config.experiments.items():
        key = f"experiments.{name}"
        if len(experiment.arms) < 2:
            yield f"{key} needs at least two arms: [{key}.arms.NAME] with a share each."
        if (shares := sum(arm.share for arm in experiment.arms.values())) > 1 + 1e-9:
            yield f"{key}: the shares of its arms add up to {shares:g}; at most 1 is there to split."
        for arm, settings in experiment.arms.items():
            if "=" in name + arm:
                yield f"{key}.arms.{arm}: names of experiments and arms may not hold '='."
            for lever in settings.levers_off or ():
                if lever not in SWITCHABLE:
                    yield f"{key}.arms.{arm}.levers_off names '{lever}', which is no lever. {_choose(lever, SWITCHABLE)}"
            try:
                inside = overlay(config, experiment, settings)
                Catalog(inside)
            except ConfigError as mistake:
                yield f"{key}.arms.{arm}: {mistake.message}"
            else:
                yield from (f"{key}.arms.{arm}: {line}" for line in _rules(inside) if line not in _rules(config))


def _flows(config: Config) -> Iterator[str]:
    """Flows that cannot run, and steps that ask models that are not there."""
    tiers = {"cheap": config.tiers.cheap, "expensive": config.tiers.expensive}
    for name, flow in config.flows.items():
        yield from flow_mistakes(name, flow)
        for step, table in flow.steps.items():
            key = f"flows.{name}.steps.{step}"
            if table.model is not None:
                try:
                    Catalog(config).resolve(table.model)
                except FarthingError as mistake:
                    yield f"{key}.model: {mistake.message}"
            elif table.do in ("llm", "decide_and_answer") and not (tiers[table.tier] if table.tier in tiers else any(tiers.values())):
                yield f"{key} asks the {table.tier} tier, and no model is there. Name one under [tiers]."


def _choose(given: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = nearest(given, known)
    return f"Did you mean '{near}'?" if near else f"Known: {', '.join(known) or 'none'}."
