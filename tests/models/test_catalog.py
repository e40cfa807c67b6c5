"""Names of models: where each one leads, and what an unknown one is told."""

import pytest

from farthing.config import Config, Model, Service, Tiers
from farthing.core.errors import ConfigError, ModelNotFound
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.catalog import Catalog

OPENAI = Service(base_url="http://a/v1", models=("gpt-*", "o3"), responses=True)
CLAUDE = Service(dialect="anthropic", base_url="http://b/v1")
LOCAL = Service(base_url="http://c/v1")


def catalog(**services: Service) -> Catalog:
    return Catalog(Config(services=services))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("openai/gpt-x", Target("openai", "gpt-x")),
        ("openai/not-in-its-patterns", Target("openai", "not-in-its-patterns")),
        ("gpt-x", Target("openai", "gpt-x")),
        ("claude-x", Target("claude", "claude-x")),
        ("llama", Target("local", "llama")),
        ("meta-llama/Llama-3", Target("local", "meta-llama/Llama-3")),
        ("local/meta-llama/Llama-3", Target("local", "meta-llama/Llama-3")),
    ],
)
def test_a_name_leads_to_its_service(name: str, target: Target) -> None:
    served = catalog(openai=OPENAI, claude=CLAUDE, local=LOCAL)
    assert served.resolve(name) == target
    assert served.resolve(name) == target


def test_a_models_own_row_wins_over_patterns() -> None:
    config = Config(services={"openai": OPENAI, "local": LOCAL}, models={"gpt-x": Model(service="local"), "a/b": Model(service="openai")})
    assert Catalog(config).resolve("gpt-x") == Target("local", "gpt-x")
    assert Catalog(config).resolve("a/b") == Target("openai", "a/b")


def test_the_first_service_whose_pattern_fits_is_taken() -> None:
    served = catalog(first=Service(base_url="http://a", models=("gpt-*",)), second=Service(base_url="http://b", models=("gpt-5*",)))
    assert served.resolve("gpt-5").service == "first"


def test_claude_names_prefer_the_anthropic_dialect_and_others_openais() -> None:
    served = catalog(local=LOCAL, claude=CLAUDE)
    assert served.resolve("claude-x").service == "claude"
    assert served.resolve("qwen").service == "local"
    assert catalog(local=LOCAL).resolve("claude-x").service == "local"
    assert catalog(claude=CLAUDE).resolve("my-own-name").service == "claude"


def test_a_service_with_patterns_does_not_take_other_names() -> None:
    with pytest.raises(ModelNotFound):
        catalog(openai=OPENAI).resolve("llama")


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    config = Config(services={"openai": OPENAI}, tiers=Tiers(cheap=("gpt-5-mini",), expensive=("gpt-5",)))
    with pytest.raises(ModelNotFound, match=r"Did you mean .*gpt-5-mini") as caught:
        Catalog(config).resolve("gtp-5-mini")
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", ["", "/", "farthing/auto", "farthing/nonsense", "openai/"])
def test_names_that_are_no_models_are_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        catalog(openai=OPENAI, local=LOCAL).resolve(name) if name.startswith("farthing") else catalog(openai=OPENAI).resolve(name)


def test_a_long_unknown_name_is_not_echoed_whole() -> None:
    with pytest.raises(ModelNotFound) as caught:
        catalog(openai=OPENAI).resolve("x" * 100_000)
    assert len(caught.value.message) < 1000


def test_tiers_keep_their_order_and_the_first_expensive_model_is_the_baseline() -> None:
    config = Config(services={"openai": OPENAI, "local": LOCAL}, tiers=Tiers(cheap=("local/q", "gpt-mini"), expensive=("gpt-big", "gpt-bigger")))
    served = Catalog(config)
    assert served.tier("cheap") == (Target("local", "q", "cheap"), Target("openai", "gpt-mini", "cheap"))
    assert served.tier("nonsense") == ()
    assert served.baseline == Target("openai", "gpt-big", "expensive")
    assert catalog(openai=OPENAI).baseline is None


def test_a_baseline_of_its_own() -> None:
    config = Config(services={"openai": OPENAI}, tiers=Tiers(expensive=("gpt-a",), baseline="openai/gpt-b"))
    assert Catalog(config).baseline == Target("openai", "gpt-b")


def test_names_list_tiers_then_models() -> None:
    config = Config(services={"openai": OPENAI, "local": LOCAL}, tiers=Tiers(cheap=("local/gpt-q",), expensive=("gpt-big",)), models={"m": Model()})
    assert Catalog(config).names() == ["farthing/auto", "farthing/cheap", "farthing/expensive", "gpt-big", "local/gpt-q", "m", "o3"]
    assert catalog(local=LOCAL).names() == []


def test_every_name_that_is_listed_resolves() -> None:
    config = Config(services={"openai": OPENAI, "local": LOCAL}, tiers=Tiers(cheap=("local/gpt-q",), expensive=("gpt-big",)))
    served = Catalog(config)
    assert [served.resolve(name) for name in served.names() if not name.startswith("farthing/")]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Config(services={"openai": OPENAI}, tiers=Tiers(cheap=("nope",))), "tiers.cheap names 'nope'"),
        (Config(services={"openai": OPENAI}, tiers=Tiers(baseline="nope")), "tiers.baseline names 'nope'"),
        (Config(services={"openai": OPENAI}, models={"m": Model(service="nope")}), "models.m.service is 'nope'"),
    ],
)
def test_a_config_that_points_nowhere_is_refused(config: Config, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Catalog(config)


def test_dialects_follow_the_row() -> None:
    served = catalog(openai=OPENAI, claude=CLAUDE, local=LOCAL)
    assert served.dialects("openai") == {Dialect.CHAT, Dialect.EMBEDDINGS, Dialect.RESPONSES}
    assert served.dialects("local") == {Dialect.CHAT, Dialect.EMBEDDINGS}
    assert served.dialects("claude") == {Dialect.MESSAGES}
    assert served.dialects("nonsense") == frozenset()
