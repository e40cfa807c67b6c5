"""Sessions of the dashboard: a signed cookie instead of the key that was shown at the door.

Guarantees: the cookie names the key, never its secret, and ends after twelve hours; a key that is revoked or expired ends its sessions within a
second; nothing that a browser sends by itself from another site is taken (SameSite=Strict, and the fetch metadata of the request). The cookie
opens the dashboard's figures alone: everywhere else only a key counts.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

import msgspec

from farthing.core.errors import NotAuthenticated, NotPermitted
from farthing.core.request import Principal
from farthing.edge import keys as door
from farthing.edge.keys import Authenticator

COOKIE = "farthing_session"
_LASTS_S = 12 * 3600
_PATH = "/dashboard"
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


class _Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    ends: int


def identify(headers: Mapping[bytes, bytes], keys: Authenticator, now: float) -> Principal:
    """By key, else by session. Raises `NotAuthenticated`."""
    if not keys.any_keys:
        _require_local(headers)
        return door.OPEN
    if door.read_secret(headers):
        return door.identify(headers, keys, now)
    same_site(headers)
    return _principal(_cookie(headers), keys, now)


def issue(principal: Principal, keys: Authenticator, now: float, *, secure: bool) -> bytes:
    """The header that opens a session for the holder of this key."""
    assert principal.key_id is not None
    told = msgspec.json.encode(_Session(principal.key_id, int(now) + _LASTS_S))
    value = f"{_text(told)}.{_text(keys.seal(told.decode()))}"
    return _header(value, _LASTS_S, secure=secure)


def end(*, secure: bool) -> bytes:
    """The header that makes a browser forget its session."""
    return _header("", 0, secure=secure)


def same_site(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what another site made the browser send. Raises `NotPermitted`."""
    if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        raise NotPermitted("The dashboard does not answer other sites.")
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b""):
        raise NotPermitted("The dashboard does not answer other sites.")


def _header(value: str, lasts_s: int, *, secure: bool) -> bytes:
    flags = "; Secure" if secure else ""
    return f"{COOKIE}={value}; Path={_PATH}; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{flags}".encode()


def _cookie(headers: Mapping[bytes, bytes]) -> str:
    try:
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        found = None
    if found is None or not found.value:
        raise NotAuthenticated("Nobody is signed in. Sign in at /dashboard, or send a viewer or admin key.")
    return found.value


def _principal(cookie: str, keys: Authenticator, now: float) -> Principal:
    told, _, seal = cookie.partition(".")
    try:
        body, signature = _bytes(told), _bytes(seal)
        if not hmac.compare_digest(keys.seal(body.decode("latin-1")), signature):
            raise NotAuthenticated("This session is not one of ours. Sign in again.")
        session = msgspec.json.decode(body, type=_Session)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise NotAuthenticated("This session is not one of ours. Sign in again.") from error
    if session.ends <= now:
        raise NotAuthenticated("This session has ended. Sign in again.")
    return keys.principal(session.key)


def _require_local(headers: Mapping[bytes, bytes]) -> None:
    """Without any key the gateway is open to this machine, not to a site whose name was made to lead here."""
    same_site(headers)
    host = headers.get(b"host", b"").decode("latin-1")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in _LOCAL:
        raise NotPermitted("No key has been made: the dashboard is open to this machine alone. Open it under http://127.0.0.1 or localhost.")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
