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

    def principal(self, key_id: str) -> Principal:
        """Who holds the key of this id, while it is good. Raises `NotAuthenticated`."""
        ...

    def seal(self, text: str) -> bytes:
        """A signature over a text that only this gateway can make."""
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


def identify(headers: Mapping[bytes, bytes], keys: Authenticator, now: float = 0.0) -> Principal:  # noqa: ARG001 (sessions need it)
    """The principal behind a request. Fails closed."""
    if not keys.any_keys:
        return OPEN
    secret = read_secret(headers)
    if not secret:
        raise NotAuthenticated("No API key in the request. Send it as 'Authorization: Bearer fk-...' or 'x-api-key: fk-...'.")
    return keys.authenticate(secret)


# Who may use the routes of a policy; a role that is not named is refused.
MAY: Mapping[str, frozenset[str]] = {
    "app": frozenset({"app", "admin"}),
    "viewer": frozenset({"viewer", "admin"}),
    "admin": frozenset({"admin"}),
}
_NEEDS = {"app": "a key that may call models (role app or admin)", "viewer": "a viewer or an admin key", "admin": "an admin key"}


def require(policy: str, principal: Principal) -> None:
    """Raises `NotPermitted`."""
    if principal.role not in MAY[policy]:
        raise NotPermitted(f"This route needs {_NEEDS[policy]}; key {principal.key_id} has role {principal.role}.")
