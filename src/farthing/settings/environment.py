"""What the environment offers when the file leaves something open: services by their usual variables, tiers by their usual models.

The models were the current cheap and capable ones of each service when this was written; a test checks that the price list knows them.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

import farthing
from farthing.config import Config, Service, Tiers
from farthing.models.services import KNOWN, base_url_variable

ENVIRONMENT = "environment"
SAMPLE = "the shipped sample"
SAMPLE_SERVICE = "recorded"
SAMPLE_TIERS = Tiers(cheap=(f"{SAMPLE_SERVICE}/Meta-Llama-3.1-8B-Instruct",), expensive=(f"{SAMPLE_SERVICE}/claude-3-5-haiku-20241022",))

TIERS: Mapping[str, Tiers] = {
    "openai": Tiers(cheap=("openai/gpt-6-luna",), expensive=("openai/gpt-6.1-sol",)),
    "anthropic": Tiers(cheap=("anthropic/claude-haiku-5-5",), expensive=("anthropic/claude-sonnet-5-5",)),
    "gemini": Tiers(cheap=("gemini/gemini-3.5-flash-lite",), expensive=("gemini/gemini-3.8-flash",)),
    "mistral": Tiers(cheap=("mistral/mistral-small-latest",), expensive=("mistral/mistral-medium-latest",)),
    "deepseek": Tiers(cheap=("deepseek/deepseek-flash",), expensive=("deepseek/deepseek-v4-pro",)),
    "xai": Tiers(cheap=("xai/grok-4-1-fast-non-reasoning",), expensive=("xai/grok-4.7",)),
    "groq": Tiers(cheap=("groq/openai/gpt-oss-20b",), expensive=("groq/openai/gpt-oss-120b",)),
    "together": Tiers(cheap=("together/zai-org/GLM-5.3-Flash",), expensive=("together/moonshotai/Kimi-K3.1-Pro",)),
    "openrouter": Tiers(cheap=("openrouter/openai/gpt-6-luna",), expensive=("openrouter/openai/gpt-6.1-sol",)),
}


class Filled(msgspec.Struct, frozen=True):
    """A configuration without gaps, and what filled them."""

    config: Config
    source: str
    found_keys: tuple[str, ...]
    notes: tuple[str, ...]
    origins: Mapping[str, str]  # "services.openai" -> "OPENAI_API_KEY"


def fill(config: Config, environ: Mapping[str, str]) -> Filled:
    """Services from the environment when the file names none, the recorded sample when there are none there either, then tiers."""
    found, notes, origins = _services(environ) if not config.services else (dict(config.services), (), {})
    found_keys = _found_keys(found, environ)
    if not found:
        return _sample(config, notes)
    tiers, tier_notes = (config.tiers, ()) if _has_tiers(config) else _tiers(config, found)
    if not _has_tiers(config) and _has_tiers(tiers):
        origins = {**origins, "tiers": f"usual models of {tiers.expensive[0].partition('/')[0]}"}
    filled = msgspec.structs.replace(config, services=found, tiers=tiers)
    return Filled(filled, ENVIRONMENT, found_keys, (*notes, *tier_notes), origins)


def _has_tiers(config: Config | Tiers) -> bool:
    tiers = config.tiers if isinstance(config, Config) else config
    return bool(tiers.cheap or tiers.expensive)


def _found_keys(services: Mapping[str, Service], environ: Mapping[str, str]) -> tuple[str, ...]:
    named = (service.api_key_env for service in services.values())
    return tuple(dict.fromkeys(variable for variable in named if variable and environ.get(variable)))


def _services(environ: Mapping[str, str]) -> tuple[dict[str, Service], tuple[str, ...], dict[str, str]]:
    services: dict[str, Service] = {}
    notes: list[str] = []
    origins: dict[str, str] = {}
    for name, row in KNOWN.items():
        base_url, has_key = environ.get(base_url_variable(name), ""), bool(row.api_key_env and environ.get(row.api_key_env))
        if not (has_key or base_url):
            continue
        if not (base_url or row.base_url):
            notes.append(f"{row.api_key_env} is set, but {base_url_variable(name)} is not: {name} is left out.")
            continue
        services[name] = _moved(row, base_url, has_key) if base_url else row
        used = [(row.api_key_env, has_key), (base_url_variable(name), base_url)]
        origins[f"services.{name}"] = ", ".join(variable for variable, is_set in used if variable and is_set)
    return services, tuple(notes), origins


def _moved(row: Service, base_url: str, has_key: bool) -> Service:
    """A known service at another address: it may serve any model, and its key may be needless."""
    if base_url.rstrip("/") == row.base_url:
        return row
    return msgspec.structs.replace(row, base_url=base_url, api_key_env=row.api_key_env if has_key else None, models=(), responses=False)


def _tiers(config: Config, services: Mapping[str, Service]) -> tuple[Tiers, tuple[str, ...]]:
    """The usual models of the first service that has some; its dialect and address decide nothing."""
    for name, service in services.items():
        usual = TIERS.get(name)
        if usual is None:
            continue
        tiers = msgspec.structs.replace(usual, baseline=config.tiers.baseline, failover=config.tiers.failover)
        if service.base_url == KNOWN[name].base_url:
            return tiers, ()
        models = f"{tiers.cheap[0]} (cheap) and {tiers.expensive[0]} (expensive)"
        return tiers, (f"{name} is at {service.base_url}, but the tiers still name {models}. Set [tiers] to what it serves.",)
    return config.tiers, ("No tiers: farthing/auto, /v1/ask and /llm-inference have nothing to choose from. Set tiers.cheap and tiers.expensive.",)


def sample() -> tuple[Service, Tiers]:
    """The recordings that come with the package, as a service and its tiers."""
    recordings = str(Path(farthing.__file__).parent / "data" / "sample_exchanges.jsonl")
    return Service(dialect="recorded", recordings=(recordings,)), SAMPLE_TIERS


def _sample(config: Config, notes: tuple[str, ...]) -> Filled:
    service, tiers = sample()
    said = (
        "No key found: answers come from the shipped recordings, and only to their prompts; `farthing demo` sends them.",
        "To serve a model: set OPENAI_API_KEY (and OPENAI_BASE_URL for what speaks its dialect) or ANTHROPIC_API_KEY, or write farthing.toml.",
    )
    filled = msgspec.structs.replace(config, services={SAMPLE_SERVICE: service}, tiers=config.tiers if _has_tiers(config) else tiers)
    return Filled(filled, SAMPLE, (), (*notes, *said), {f"services.{SAMPLE_SERVICE}": SAMPLE, "tiers": SAMPLE})
