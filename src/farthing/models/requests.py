"""From a service's row and a call to the head of an HTTP request.

Guarantees: the key comes from the environment and shows up in no message; a header of the caller can neither replace ours nor
smuggle in another; the body is not touched.
Costs: 0.2 us a call, the fixed part is made once.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.errors import ConfigError
from farthing.core.request import Dialect

ANTHROPIC_VERSION = ("anthropic-version", "2023-06-01")  # what callers that send none were written for
_VERSION_LINE = b"%b: %b\r\n" % (ANTHROPIC_VERSION[0].encode(), ANTHROPIC_VERSION[1].encode())
_PATHS = {Dialect.CHAT: "/chat/completions", Dialect.RESPONSES: "/responses", Dialect.EMBEDDINGS: "/embeddings", Dialect.MESSAGES: "/messages"}
_URL_SAFE = "/%?&=+:;,@!$'()*~"
_OURS = frozenset(
    b"accept accept-encoding api-key authorization connection content-encoding content-length content-type cookie expect host keep-alive "
    b"proxy-authorization proxy-connection te trailer transfer-encoding upgrade user-agent x-api-key".split()
)
_FORBIDDEN = bytes(range(32)).replace(b"\t", b"") + b"\x7f"


class Address:
    """A row's base URL, taken apart and checked."""

    def __init__(self, name: str, service: Service) -> None:
        where = f"services.{name}.base_url"
        url = urlsplit(service.base_url)
        if url.username is not None or url.query or url.fragment:
            raise ConfigError(f"{where} may hold host and path only: put a key into the environment (`api_key_env`) and a query into `query`.")
        try:
            self.port = url.port or (443 if url.scheme == "https" else 80)
            self.host = (url.hostname or "").encode("idna").decode()
        except (ValueError, UnicodeError) as error:
            raise ConfigError(f"{where} is {service.base_url!r}: {error}. Expected something like https://api.openai.com/v1.") from error
        if url.scheme not in ("http", "https") or not self.host:
            raise ConfigError(f"{where} is {service.base_url!r}; expected something like https://api.openai.com/v1.")
        bare = "/v1" if service.dialect == "anthropic" else ""  # Anthropic's own SDK takes a base URL without the version
        self.path = url.path.rstrip("/") or bare
        self.tls = url.scheme == "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = host if url.port is None else f"{host}:{url.port}"


class Requests:
    """Heads of the requests to one service."""

    def __init__(self, service: Service, address: Address, key: str | None) -> None:
        query = f"?{service.query.lstrip('?')}" if service.query else ""
        paths = {dialect: quote(f"{address.path}{path}{query}", safe=_URL_SAFE) for dialect, path in _PATHS.items()}
        self._paths = {dialect: path.encode() for dialect, path in paths.items()}
        lines = [("host", address.authority), *auth_lines(service, key), ("content-type", "application/json"), ("accept-encoding", "identity")]
        fixed = _encode([*lines, ("user-agent", "farthing")])
        self._whole = fixed + b"accept: application/json\r\n"
        self._stream = fixed + b"accept: text/event-stream\r\n"
        self._versioned = service.dialect == "anthropic"

    def head(self, call: Call) -> tuple[bytes, bytes]:
        """Path with query, and header lines but for the length."""
        lines = self._stream if call.stream else self._whole
        if call.headers:
            lines += _encode([(name, value) for name, value in call.headers if _may_pass(name)])
        if self._versioned and not any(name.lower() == "anthropic-version" for name, _ in call.headers):
            lines += _VERSION_LINE
        return self._paths[call.dialect], lines


def key_of(service: Service, environ: Mapping[str, str]) -> str | None:
    """The service's key; `None` when it needs none or none is set."""
    value = environ.get(service.api_key_env, "").strip() if service.api_key_env else ""
    return value or None


def auth_lines(service: Service, key: str | None) -> list[tuple[str, str]]:
    """The header that carries the key; none without one."""
    if key is None:
        return []
    return [("authorization", f"Bearer {key}")] if service.auth == "bearer" else [(service.auth, key)]


def _may_pass(name: str) -> bool:
    return name.lower().encode("latin-1", "replace") not in _OURS


def _encode(lines: Sequence[tuple[str, str]]) -> bytes:
    """Header lines; control characters, which could end one, are dropped."""
    return b"".join(
        b"%b: %b\r\n"
        % (name.encode("latin-1", "replace").translate(None, _FORBIDDEN + b": "), value.encode("latin-1", "replace").translate(None, _FORBIDDEN))
        for name, value in lines
    )
