"""Every mistake in a configuration is one line: where, what was given, what to change."""

from pathlib import Path

import pytest

from farthing.core.errors import ConfigError
from farthing.settings import load

SERVICE = '[services.mine]\nbase_url = "http://127.0.0.1:1/v1"\n'

MISTAKES = [
    ('[[cache.slots]]\nkey = "faq:x"\npatterns = ["("]', "cache.slots[0]: Slot 'faq:x' of `cache.slots`: RE2 does not take the pattern '('"),
    ('[[cache.slots]]\nkey = "faq:x"\npatterns = []', "cache.slots[0].patterns has 0; expected at least 1. RE2;"),
    ('[[retrieve.synonyms]]\nwords = ["VPN"]', "retrieve.synonyms[0].words has 1; expected at least 2. Words or phrases"),
    ('[[cache.slots]]\nkey = "faq:x"\npatterns = ["x"]\nendpoints = ["nowhere"]', "names endpoint 'nowhere', which is not under [endpoints]"),
    ("[server]\nprot = 1", "unknown key 'server.prot'. Did you mean 'server.port'?"),
    ("port = 1", "unknown key 'port'. Did you mean 'server.port'?"),
    ("[store]\nprot = 1", "unknown key 'store.prot'. Did you mean 'server.port'?"),
    ("[sever]\nport = 1", "unknown key 'sever'. Did you mean 'server'?"),
    ("[server]\nzzz = 1", "unknown key 'server.zzz'. Known here: host, port, workers"),
    ('[services.a]\nbase_ul = "x"', "unknown key 'services.a.base_ul'. Did you mean 'services.a.base_url'?"),
    ("[limits.tenant.acme]\ndaly_usd = 1", "unknown key 'limits.tenant.acme.daly_usd'. Did you mean 'limits.tenant.acme.daily_usd'?"),
    ('[[guard.rows]]\nname = "a"\npatern = "x"', "unknown key 'guard.rows[0].patern'. Did you mean 'guard.rows[0].pattern'?"),
    ('[server]\nport = "80"', "server.port is '80' (text); expected whole number, 0 to 65535. TCP port."),
    ("[server]\nport = 70000", "server.port is 70000; expected whole number, 0 to 65535."),
    ("[server]\nport = true", "server.port is true; expected whole number"),
    ("[cache]\nttl_s = 0", "cache.ttl_s is 0; expected number, above 0."),
    ("[sampling]\nlog = 1.5", "sampling.log is 1.5; expected number, 0 to 1."),
    ("server = 3", "server is 3; expected a table: [server]."),
    ("[tiers]\ncheap = 'a'", "tiers.cheap is 'a' (text); expected list of text."),
    ("[tiers]\ncheap = [1]", "tiers.cheap[0] is 1; expected text."),
    ('[log]\nlevel = "loud"', 'log.level is \'loud\' (text); expected one of "debug", "info", "warning", "error".'),
    ('[[route.rules]]\ntier = "cheap"', "route.rules[0].name is missing; expected text."),
    ('[services.a]\napi_key = "x"', "services.a.api_key holds a secret. Put it into an environment variable"),
    ('[services.a]\napi_key_env = "sk-abcdefghijklmnopqrst"', "services.a.api_key_env looks like a secret."),
    ('[services.a]\nbase_url = "http://user:hunter22@host/v1"', "services.a.base_url looks like a secret."),
    ('[services.a]\napi_key_env = "MY KEY"', "services.a.api_key_env must be the name of an environment variable"),
    ("[services.a]\nresponses = true", "services.a.base_url is missing; a service of dialect 'openai' needs it."),
    ('[services.a]\ndialect = "recorded"', "services.a.recordings is missing"),
    ('[services.a]\nbase_url = "ftp://x"', "services.a.base_url is 'ftp://x'; expected http:// or https://"),
    ('[services."a/b"]\nbase_url = "http://x/v1"', "a service's name may not hold a slash"),
    ('[services.a]\nbase_url = "http://x/v1"\nmodels = ["x-*"]\n[tiers]\ncheap = ["b/m"]', "tiers.cheap names 'b/m', which no service serves."),
    ('[services.a]\nbase_url = "http://x/v1"\n[models.m]\nservice = "b"', "models.m.service is 'b', which is no service."),
    (
        SERVICE + '[tiers]\nexpensive = ["mine/m"]\n[[route.rules]]\nname = "r"\ntier = "cheap"',
        "route.rules[0] ('r') sends requests to the cheap tier, but tiers.cheap is empty.",
    ),
    (SERVICE + '[tiers]\ncheap = ["mine/m"]', "route.otherwise is 'expensive', but tiers.expensive is empty."),
    (
        '[services.a]\nbase_url = "http://x/v1"\nmodels = ["x-*"]\n[quality]\njudge = "other/m"\n[tiers]\nexpensive = ["a/x-1"]',
        "quality.judge: The model 'other/m'",
    ),
    (SERVICE + '[quality]\njudge = "mine/m"\n', "quality.judge is set, but tiers.expensive is empty"),
    (
        SERVICE + "[endpoints.faq]\nquality_floor = 0.97",
        "endpoints.faq.quality_floor is set, but quality.judge names no model, so nobody would watch it.",
    ),
    (SERVICE + "[endpoints.faq]\nquality_floor = 97", "endpoints.faq.quality_floor is 97; expected number, above 0, at most 1."),
    (SERVICE + "[experiments.x.arms.a]\nshare = 0.5", "experiments.x needs at least two arms"),
    (SERVICE + "[experiments.x.arms.a]\nshare = 0.5\n[experiments.x.arms.b]\nshare = 0.6", "experiments.x: the shares of its arms add up to 1.1"),
    (
        SERVICE + '[experiments.x.arms.a]\nshare = 0.5\nlevers_off = ["cahce"]\n[experiments.x.arms.b]\nshare = 0.1',
        "experiments.x.arms.a.levers_off names 'cahce', which is no lever. Did you mean 'cache'?",
    ),
    (
        '[services.a]\nbase_url = "http://x/v1"\nmodels = ["x-*"]\n'
        '[experiments.x.arms.a]\nshare = 0.5\ncheap = ["b/m"]\n[experiments.x.arms.b]\nshare = 0.1',
        "experiments.x.arms.a: tiers.cheap names 'b/m', which no service serves.",
    ),
    (
        SERVICE + '[tiers]\nexpensive = ["mine/m"]\n[experiments.x.arms.a]\nshare = 0.5\notherwise = "cheap"\n[experiments.x.arms.b]\nshare = 0.1',
        "experiments.x.arms.a: route.otherwise is 'cheap', but tiers.cheap is empty.",
    ),
    (SERVICE + '[endpoints.faq]\nlevers_off = ["cahce"]', "endpoints.faq.levers_off names 'cahce', which is no lever. Did you mean 'cache'?"),
]


def _complaint(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "farthing.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return caught.value.message


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said[:40] for _, said in MISTAKES])
def test_it_names_the_place_and_the_fix(tmp_path: Path, text: str, said: str) -> None:
    complaint = _complaint(tmp_path, text)
    assert complaint.startswith(f"{tmp_path / 'farthing.toml'}: ")
    assert said in complaint


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    complaint = _complaint(tmp_path, '[server]\nprot = 1\nport = "x"\n[cache]\nenabled = 1\n')
    assert len(complaint.splitlines()) == 3


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    for text in ('[services.a]\napi_key = "canary"', 'x = "sk-canarycanarycanary"', '[services.a]\nquery = "sk-canarycanarycanary"'):
        assert "canary" not in _complaint(tmp_path, text)


def test_broken_toml_says_the_line(tmp_path: Path) -> None:
    assert "not valid TOML" in _complaint(tmp_path, "[server]\nport = = 3\n")
    assert "line 2" in _complaint(tmp_path, "[server]\nport = = 3\n")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    assert "not UTF-8 text (byte 1)" in _complaint(tmp_path, b"a\xff = 1")
