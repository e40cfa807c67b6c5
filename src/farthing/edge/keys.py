"""Who is calling. The key comes in `Authorization: Bearer` or `x-api-key`; without any key made, a loopback gateway is open."""

from collections.abc import Mapping
from typing import Protocol

from farthing.core.errors import NotAuthenticated, NotPermitted
from farthing.core.request import Principal

OPEN = Principal(key_id=None, tenant="default", role="admin")


class Authenticator(Protocol):
    """The table of virtual keys."""

    @property
    def any_keys(self) -> bool: ...

    def authenticate(self, secret: str) -> Principal:
        """Raises `NotAuthenticated`."""
        ...


def read_secret(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's key as sent, in whichever header its SDK uses."""
    bearer = headers.get(b"authorization")
    if bearer is not None:
        scheme, _, secret = bearer.partition(b" ")
        if scheme.lower() == b"bearer":
            return secret.strip().decode("latin-1")
    secret = headers.get(b"x-api-key") or headers.get(b"api-key")
    return secret.strip().decode("latin-1") if secret else None


def identify(headers: Mapping[bytes, bytes], keys: Authenticator) -> Principal:
    """The principal behind a request. Fails closed."""
    if not keys.any_keys:
        return OPEN
    secret = read_secret(headers)
    if not secret:
        raise NotAuthenticated("No API key in the request. Send it as 'Authorization: Bearer fk-...' or 'x-api-key: fk-...'.")
    return keys.authenticate(secret)


def require_admin(principal: Principal) -> None:
    if principal.role != "admin":
        raise NotPermitted(f"This route needs an admin key; key {principal.key_id} has role {principal.role}.")
