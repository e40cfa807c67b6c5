"""Where the configuration comes from, and what it becomes."""

from pathlib import Path

import pytest

from farthing.core.errors import ConfigError
from farthing.settings import load
from farthing.settings.environment import TIERS

NO_SERVICES = "[server]\nport = 9999\n"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "farthing.toml"
    path.write_text(text)
    return path


def test_a_named_file_wins_over_the_variable_and_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _file(tmp_path, "[server]\nport = 1\n")
    second, third = tmp_path / "second.toml", tmp_path / "third.toml"
    second.write_text("[server]\nport = 2\n")
    third.write_text("[server]\nport = 3\n")
    assert load(None, {}).config.server.port == 1
    assert load(None, {"FARTHING_CONFIG": str(second)}).config.server.port == 2
    assert load(third, {"FARTHING_CONFIG": str(second)}).config.server.port == 3


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration /no/such\.toml: No such file"):
        load(Path("/no/such.toml"), {})


def test_without_file_and_key_the_shipped_sample_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = load(None, {})
    assert found.config.services["recorded"].dialect == "recorded"
    assert Path(found.config.services["recorded"].recordings[0]).is_file()
    assert found.config.tiers.cheap
    assert found.config.tiers.expensive
    assert found.found_keys == ()
    assert any("OPENAI_API_KEY" in note for note in found.notes)


def test_a_key_makes_a_service_and_its_tiers(tmp_path: Path) -> None:
    found = load(_file(tmp_path, NO_SERVICES), {"ANTHROPIC_API_KEY": "secret-canary", "GROQ_API_KEY": "x"})
    assert list(found.config.services) == ["anthropic", "groq"]
    assert found.found_keys == ("ANTHROPIC_API_KEY", "GROQ_API_KEY")
    assert found.config.tiers.expensive == TIERS["anthropic"].expensive
    assert "secret-canary" not in repr(found)


def test_a_moved_service_serves_any_model_and_says_to_set_tiers(tmp_path: Path) -> None:
    found = load(_file(tmp_path, NO_SERVICES), {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9000/v1"})
    service = found.config.services["openai"]
    assert (service.base_url, service.models, service.responses) == ("http://127.0.0.1:9000/v1", (), False)
    assert any("Set [tiers]" in note for note in found.notes)


def test_a_base_url_alone_is_a_service_without_key(tmp_path: Path) -> None:
    found = load(_file(tmp_path, NO_SERVICES), {"OLLAMA_BASE_URL": "http://127.0.0.1:11434/v1", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    assert found.config.services["openai"].api_key_env is None
    assert list(found.config.services) == ["openai", "ollama"]


def test_azure_without_an_address_is_left_out_and_said(tmp_path: Path) -> None:
    found = load(_file(tmp_path, NO_SERVICES), {"AZURE_OPENAI_API_KEY": "x", "XAI_API_KEY": "y"})
    assert list(found.config.services) == ["xai"]
    assert any("AZURE_BASE_URL is not" in note for note in found.notes)


def test_services_in_the_file_leave_the_environment_out(tmp_path: Path) -> None:
    text = '[services.groq]\nbase_url = "https://api.groq.com/openai/v1"\napi_key_env = "GROQ_API_KEY"\n'
    found = load(_file(tmp_path, text), {"OPENAI_API_KEY": "x"})
    assert list(found.config.services) == ["groq"]
    assert found.config.tiers.cheap == TIERS["groq"].cheap
    assert found.unset == ("services.groq.api_key_env: the environment variable GROQ_API_KEY is not set",)
    assert any("GROQ_API_KEY is not set" in note for note in found.notes)


def test_an_unknown_service_without_tiers_is_noted(tmp_path: Path) -> None:
    found = load(_file(tmp_path, '[services.mine]\nbase_url = "http://127.0.0.1:1/v1"\n'), {})
    assert found.config.tiers.cheap == ()
    assert any(note.startswith("No tiers") for note in found.notes)


def test_tiers_of_the_file_are_kept(tmp_path: Path) -> None:
    found = load(_file(tmp_path, '[tiers]\ncheap = ["openai/a"]\nexpensive = ["openai/b"]\n'), {"OPENAI_API_KEY": "x"})
    assert (found.config.tiers.cheap, found.config.tiers.expensive) == (("openai/a",), ("openai/b",))
    assert found.notes == ()


def test_the_price_list_knows_every_usual_model() -> None:
    from farthing.models.prices import PriceBook

    prices = PriceBook({})
    named = [model.split("/", 1) for tiers in TIERS.values() for model in (*tiers.cheap, *tiers.expensive)]
    assert [f"{service}/{model}" for service, model in named if prices.rate(service, model) is None] == []
    for service, tiers in TIERS.items():
        cheap, expensive = (prices.rate(service, names[0].partition("/")[2]) for names in (tiers.cheap, tiers.expensive))
        assert cheap is not None
        assert expensive is not None
        assert cheap.output_usd_per_mtok < expensive.output_usd_per_mtok, service
