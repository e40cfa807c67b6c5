"""The tree tells every key, and tells it in words."""

from farthing.settings import tree


def test_every_key_has_a_description() -> None:
    assert [key.path for key in tree.all_keys() if not key.description] == []


def test_paths_show_names_and_rows() -> None:
    paths = {key.path for key in tree.all_keys()}
    assert {"server.port", "services.<name>.base_url", "guard.rows[].pattern", "route.rules[].when.domain", "limits.tenant.<name>.daily_usd"} <= paths


def test_expectations_are_words() -> None:
    expects = {key.path: key.expects for key in tree.all_keys()}
    assert expects["server.port"] == "whole number, 0 to 65535"
    assert expects["server.grace_s"] == "number, at least 0"
    assert expects["cache.enabled"] == "true or false"
    assert expects["route.rules[].when.risk"] == 'list of one of "low", "medium", "high"'
    assert expects["resilience.hedge_after_s"] == "number, above 0"
    assert expects["services"] == "table"
    assert expects["services.<name>.at_once"] == 'whole number, at least 1; or "measured", "unbounded"'


def test_defaults_are_toml() -> None:
    defaults = {key.path: key.default for key in tree.all_keys()}
    assert (defaults["server.host"], defaults["server.port"], defaults["tiers.cheap"], defaults["tiers.baseline"]) == (
        '"127.0.0.1"',
        "8080",
        "[]",
        "",
    )
