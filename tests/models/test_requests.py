"""From a row and a call to an HTTP request's head."""

import pytest

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.errors import ConfigError
from farthing.core.request import Dialect
from farthing.models.requests import Address, Requests, key_of
from farthing.models.services import KNOWN, dialects_of


def head(service: Service, *, dialect: Dialect = Dialect.CHAT, key: str | None = None, stream: bool = False, headers: object = ()) -> tuple[str, str]:
    call = Call("s", "m", dialect, b"{}", stream, 0.0, "req", tuple(headers))
    path, lines = Requests(service, Address("s", service), key).head(call)
    return path.decode(), lines.decode("latin-1")


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        (Dialect.CHAT, "/v1/chat/completions"),
        (Dialect.RESPONSES, "/v1/responses"),
        (Dialect.EMBEDDINGS, "/v1/embeddings"),
        (Dialect.MESSAGES, "/v1/messages"),
    ],
)
def test_each_dialect_has_its_path_under_the_base_url(dialect: Dialect, path: str) -> None:
    assert head(Service(base_url="http://a:9000/v1/"), dialect=dialect)[0] == path


def test_a_query_is_added_to_every_path() -> None:
    service = Service(base_url="https://x.openai.azure.com/openai/v1", auth="api-key", query="api-version=2024-10-21")
    path, lines = head(service, key="k")
    assert path == "/openai/v1/chat/completions?api-version=2024-10-21"
    assert "api-key: k\r\n" in lines
    assert "host: x.openai.azure.com\r\n" in lines
    assert "authorization" not in lines


@pytest.mark.parametrize(("auth", "line"), [("bearer", "authorization: Bearer k\r\n"), ("x-api-key", "x-api-key: k\r\n")])
def test_the_key_goes_where_the_row_says(auth: str, line: str) -> None:
    assert line in head(Service(base_url="http://a/v1", auth=auth), key="k")[1]


def test_no_key_no_header() -> None:
    assert "authorization" not in head(Service(base_url="http://a/v1"))[1]


def test_nothing_encoded_is_asked_for_and_the_kind_follows_the_stream() -> None:
    whole, stream = head(Service(base_url="http://a/v1"))[1], head(Service(base_url="http://a/v1"), stream=True)[1]
    assert "accept-encoding: identity\r\n" in whole
    assert "accept: application/json\r\n" in whole
    assert "accept: text/event-stream\r\n" in stream


def test_anthropic_gets_a_version_unless_the_caller_sent_one() -> None:
    service = Service(dialect="anthropic", base_url="https://api.anthropic.com", auth="x-api-key")
    path, lines = head(service, dialect=Dialect.MESSAGES)
    assert path == "/v1/messages"
    assert lines.count("anthropic-version: 2023-06-01\r\n") == 1
    own = head(service, dialect=Dialect.MESSAGES, headers=[("anthropic-version", "2024-01-01"), ("anthropic-beta", "b")])[1]
    assert own.count("anthropic-version") == 1
    assert "anthropic-version: 2024-01-01\r\nanthropic-beta: b\r\n" in own


@pytest.mark.parametrize(
    "name", ["Authorization", "host", "Content-Length", "transfer-encoding", "x-api-key", "connection", "accept-encoding", "cookie"]
)
def test_a_caller_cannot_replace_our_headers(name: str) -> None:
    assert "mine" not in head(Service(base_url="http://a/v1"), key="k", headers=[(name, "mine")])[1]


@pytest.mark.parametrize(("name", "value"), [("x", "a\r\nauthorization: mine"), ("x\r\nauthorization", "mine"), ("x: y\nz", "a\x00b")])
def test_a_caller_cannot_smuggle_in_a_header(name: str, value: str) -> None:
    lines = head(Service(base_url="http://a/v1"), headers=[(name, value)])[1].split("\r\n")
    assert not [line for line in lines if line.lower().startswith("authorization")]
    assert not [line for line in lines if "\n" in line or "\r" in line or "\x00" in line]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a/v1", "expected something like"),
        ("api.openai.com/v1", "expected something like"),
        ("", "expected something like"),
        ("http://a:99999/v1", "base_url"),
        ("http://" + "a" * 80 + "/v1", "base_url"),
        ("https://user:secret@a/v1", "may hold host and path only"),
        ("https://user:secret@a:99999/v1", "may hold host and path only"),
        ("https://a/v1?key=1", "may hold host and path only"),
    ],
)
def test_a_base_url_that_cannot_work_is_refused_with_its_key(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Address("s", Service(base_url=url))
    assert "services.s.base_url" in caught.value.message
    assert "secret" not in caught.value.message


def test_addresses_are_taken_apart() -> None:
    six = Address("s", Service(base_url="http://[::1]:9000/v1"))
    assert (six.host, six.port, six.authority, six.tls) == ("::1", 9000, "[::1]:9000", False)
    named = Address("s", Service(base_url="https://api.openai.com/v1"))
    assert (named.host, named.port, named.authority, named.tls) == ("api.openai.com", 443, "api.openai.com", True)


def test_keys_come_from_the_environment_without_stray_space() -> None:
    service = Service(base_url="http://a/v1", api_key_env="A_KEY")
    assert key_of(service, {"A_KEY": " k\n"}) == "k"
    assert key_of(service, {"A_KEY": ""}) is None
    assert key_of(service, {}) is None
    assert key_of(Service(base_url="http://a/v1"), {"A_KEY": "k"}) is None


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "azure"])
def test_every_known_service_can_be_called(name: str) -> None:
    service = KNOWN[name]
    address = Address(name, service)
    dialect = next(iter(dialects_of(service)))
    path, lines = head(service, dialect=dialect, key="k")
    assert path.startswith(address.path + "/")
    assert lines.startswith("host: ")
    assert address.tls is (service.api_key_env is not None)


def test_keys_of_known_services_are_their_own() -> None:
    variables = [service.api_key_env for service in KNOWN.values() if service.api_key_env]
    assert len(variables) == len(set(variables)) == 12
