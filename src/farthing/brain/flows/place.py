"""Where an `http` step goes: scheme, host and port are the configuration's; path and query may hold values, each one percent-encoded piece."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec

from farthing.brain.flows.names import Values, as_text, fill, names_in

_URL = re.compile(r"(https?)://([^/?#]*)([/?].*)?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PLAIN = re.compile(r"[!-~]*")  # printable ASCII without the space
_SEGMENT_END = re.compile(r"[/?#]")
_MOST_CHARS = 8000


class Place(msgspec.Struct, frozen=True):
    """A taken-apart URL. `target` still holds names."""

    tls: bool
    host: str
    port: int
    target: str

    @property
    def listed(self) -> str:
        return f"{self.host}:{self.port}"


class Unfit(Exception):
    """A value that does not belong into a URL."""


def place_of(url: str) -> Place:
    """Of a URL that `place_mistakes` has nothing to say about."""
    found = _URL.fullmatch(url)
    assert found is not None
    scheme, authority, target = found[1], found[2], found[3] or "/"
    host, port = _apart(authority)
    default = 443 if scheme == "https" else 80
    return Place(scheme == "https", host.lower(), port or default, target if target.startswith("/") else f"/{target}")


def _apart(authority: str) -> tuple[str, int | None]:
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return host, int(port)
    return authority, None


def place_mistakes(key: str, url: str, hosts: Sequence[str]) -> Iterator[str]:
    found = _URL.fullmatch(url)
    if found is None:
        yield f"{key} is {url!r}; expected http:// or https://, a host, and a path."
        return
    authority = found[2]
    host, port = _apart(authority)
    if [*names_in(authority)] or "{" in authority:
        yield f"{key}: no name may stand in the host. Where a request goes is decided here, not by what a caller writes."
    elif "@" in authority or not _HOST.fullmatch(host) or (port is not None and not 0 < port < 65536):
        yield f"{key} has no usable host: {authority[:100]!r}. Write host or host:port; a key goes into `bearer_env`."
    elif not _PLAIN.fullmatch(found[3] or ""):
        yield f"{key} may hold printable ASCII only, and no space; percent-encode the rest."
    elif "#" in url:
        yield f"{key} holds a '#'; fragments are not sent. Take it out."
    else:
        place = place_of(url)
        named = {one.lower() for one in hosts}
        if place.listed not in named and (place.host not in named or port is not None):
            yield f"{key} goes to {place.listed}, which is not in `hosts` of the flow. Add it there if it is meant."


def target_of(place: Place, values: Values) -> str:
    """Path and query, every value percent-encoded whole. Raises `Unknown`, or `Unfit` for a value that would step out of its place."""

    def piece(value: object) -> str:
        text = as_text(value)
        if not text:
            raise Unfit("an empty value")
        return quote(text, safe="", errors="replace")

    target = fill(place.target, values, piece)
    path = target.partition("?")[0]
    if any(segment.replace("%2E", ".").replace("%2e", ".") in (".", "..") for segment in path.split("/")):
        raise Unfit("a path segment of dots")
    if len(target) > _MOST_CHARS:
        raise Unfit(f"more than {_MOST_CHARS} characters")
    return target
