"""Virtual keys: 256 bits, shown once, stored as HMAC-SHA256.

Guarantees: the store never holds a secret; a key is looked up by its digest, so the time a check takes says nothing about how much of a guess was
right; a key revoked in any process is refused by all within a second (`open` polls five times a second).
Costs: `authenticate` 2 us (bench/ledger.py), no input or output.

The pepper that digests are made with comes from the environment variable that `store.key_pepper_env` names, else from the store itself. A
pepper other than the one the keys were made with is a `ConfigError`, not a gateway where every key is unknown.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from farthing import config
from farthing.core.clock import Clock, SystemClock
from farthing.core.errors import ConfigError, NotAuthenticated, NotFound
from farthing.core.ids import new_id
from farthing.core.request import KeyLimits, Principal, Role
from farthing.stores.sqlite import database
from farthing.stores.sqlite.transaction import patiently, transaction

_PREFIX = "fk-"
_SECRET_BYTES = 32
_BLOCK_BYTES = 64  # of SHA-256
_POLL_S = 0.2
_COLUMNS = "key_id, name, role, tenant, created_at, expires_at, revoked_at, allowed_models, limits"


class Key(msgspec.Struct, frozen=True):
    """A virtual key without its secret. Times are unix seconds."""

    key_id: str
    name: str
    role: Role
    tenant: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    allowed_models: tuple[str, ...] | None
    limits: KeyLimits

    @property
    def principal(self) -> Principal:
        return Principal(self.key_id, self.tenant, self.role, self.allowed_models, self.limits)


class _Entry(msgspec.Struct, frozen=True):
    key: Key
    principal: Principal


class Keys:
    """All keys, in memory. Every method but `open` and `close` works without an event loop."""

    def __init__(self, store: config.Store, clock: Clock, environ: Mapping[str, str]) -> None:
        self._clock = clock
        self._store = store
        self._pepper_env = store.key_pepper_env
        database.prepare(store)
        self._connection = database.connect(store)
        self._poll: asyncio.Task[None] | None = None
        pepper = self._pepper(environ)
        self._digest_of = _hmac(pepper)
        self._seal_of = _hmac(hashlib.blake2b(b"seals of the dashboard", key=hashlib.sha256(pepper).digest()).digest())
        self._version = -1
        self._entries: dict[bytes, _Entry] = {}
        self.refresh()

    @classmethod
    def load(cls, store: config.Store, *, clock: Clock | None = None, environ: Mapping[str, str] | None = None) -> "Keys":
        """For callers without an event loop; end with `shut`. Raises `ConfigError` when the file or the pepper cannot be used."""
        try:
            return cls(store, clock or SystemClock(), os.environ if environ is None else environ)
        except sqlite3.Error as error:
            raise ConfigError(f"The keys in '{store.path}' cannot be read: {error}. Check its disk and its permissions.") from error

    @classmethod
    async def open(cls, store: config.Store, *, clock: Clock, environ: Mapping[str, str] | None = None) -> "Keys":
        """The same, following changes made by other processes until `close`."""
        keys = cls.load(store, clock=clock, environ=environ)
        keys._poll = asyncio.get_running_loop().create_task(keys._follow(), name="farthing-keys")
        return keys

    @staticmethod
    def any_in(store: config.Store) -> bool:
        """Whether the store holds a key. Makes no file. Raises `ConfigError` when the store cannot be used."""
        if not os.path.exists(store.path):
            return False
        keys = Keys.load(store)
        try:
            return keys.any_keys
        finally:
            keys.shut()

    @property
    def any_keys(self) -> bool:
        """Whether a key was ever made here, revoked and expired ones included: an open gateway must not open again by revoking."""
        return bool(self._entries)

    async def close(self) -> None:
        if self._poll is not None:
            self._poll.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poll
        self.shut()

    def shut(self) -> None:
        """`close` for callers without an event loop."""
        self._connection.close()

    def authenticate(self, secret: str) -> Principal:
        """Who holds this secret. Raises `NotAuthenticated`, saying whether it is unknown, revoked or expired."""
        entry = self._entries.get(self._digest_of(secret))
        if entry is None:
            raise NotAuthenticated("This API key is not known here. Use one that `farthing keys create` printed.")
        return self._living(entry)

    def principal(self, key_id: str) -> Principal:
        """Who holds this key, by its id. Raises `NotAuthenticated` as `authenticate` does."""
        entry = next((entry for entry in self._entries.values() if entry.key.key_id == key_id), None)
        if entry is None:
            raise NotAuthenticated("This API key is not known here. Use one that `farthing keys create` printed.")
        return self._living(entry)

    def seal(self, text: str) -> bytes:
        """A signature of ours over a text: made with the pepper, so every worker and every restart agrees."""
        return self._seal_of(text)

    def _living(self, entry: _Entry) -> Principal:
        key = entry.key
        if key.revoked_at is not None:
            raise NotAuthenticated(f"API key {key.key_id} was revoked on {_date(key.revoked_at)}. Ask for a new one: `farthing keys create`.")
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise NotAuthenticated(f"API key {key.key_id} expired on {_date(key.expires_at)}. Ask for a new one: `farthing keys create`.")
        return entry.principal

    def create(
        self,
        *,
        name: str,
        role: Role = "app",
        tenant: str = "default",
        expires_at: float | None = None,
        allowed_models: tuple[str, ...] | None = None,
        limits: KeyLimits = KeyLimits(),  # noqa: B008 (frozen)
    ) -> tuple[str, str]:
        """Id and secret of a new key; nobody can read the secret again."""
        key_id, secret = new_id("key", self._clock.now()), _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        models = None if allowed_models is None else msgspec.json.encode(allowed_models).decode()
        row = (key_id, name, role, tenant, self._clock.now(), expires_at, None, models, msgspec.json.encode(limits).decode())
        with self._changing():
            self._connection.execute(f"INSERT INTO keys ({_COLUMNS}, digest) VALUES (?,?,?,?,?,?,?,?,?,?)", (*row, self._digest_of(secret)))
        self.refresh()
        return key_id, secret

    def list(self) -> tuple[Key, ...]:
        """All keys, oldest first, revoked and expired ones included."""
        self.refresh()
        return tuple(sorted((entry.key for entry in self._entries.values()), key=lambda key: (key.created_at, key.key_id)))

    def revoke(self, key_id: str) -> None:
        """Refuse this key from now on. Raises `NotFound`. Revoking twice keeps the first date."""
        with self._changing():
            if not self._connection.execute("SELECT count(*) FROM keys WHERE key_id = ?", (key_id,)).fetchone()[0]:
                raise NotFound(f"There is no key '{key_id}'. `farthing keys list` shows them all.")
            self._connection.execute("UPDATE keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL", (self._clock.now(), key_id))
        self.refresh()

    def refresh(self) -> bool:
        """Read the keys again if any process changed them; whether that was so."""
        version: int = patiently(self._connection, "SELECT value FROM control WHERE name = 'keys'").fetchone()[0]
        if version == self._version:
            return False
        found = patiently(self._connection, f"SELECT digest, {_COLUMNS} FROM keys").fetchall()
        keys = {bytes(digest): _key(values) for digest, *values in found}
        self._entries = {digest: _Entry(key, key.principal) for digest, key in keys.items()}
        self._version = version
        return True

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            # A file that cannot be read now keeps the keys as they were; the next look may work.
            with contextlib.suppress(sqlite3.Error):
                self.refresh()

    @contextlib.contextmanager
    def _changing(self) -> Generator[None]:
        """A transaction that other processes will notice. Raises `StoreUnavailable` when it cannot be written."""
        try:
            with transaction(self._connection):
                yield
                self._connection.execute("UPDATE control SET value = value + 1 WHERE name = 'keys'")
        except sqlite3.Error as error:
            raise database.unavailable(self._store, error) from error

    def _pepper(self, environ: Mapping[str, str]) -> bytes:
        """The secret that digests are made with, checked against the one of the keys that exist."""
        given = environ.get(self._pepper_env)
        with transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO meta VALUES ('pepper', ?)", (secrets.token_bytes(_SECRET_BYTES),))
            pepper = given.encode() if given else bytes(self._meta("pepper"))
            print_of_pepper = _hmac(pepper)("which pepper is it")
            any_keys = self._connection.execute("SELECT count(*) FROM keys").fetchone()[0]
            if any_keys and self._meta("pepper_print") != print_of_pepper:
                env = self._pepper_env
                source = f"the one in {env}" if given else f"the store's own ({env} is not set)"
                raise ConfigError(
                    f"The keys in '{self._store.path}' were made with another pepper than {source}. "
                    f"Set {env} to the value it had then, or make new keys in a new store."
                )
            self._connection.execute("REPLACE INTO meta VALUES ('pepper_print', ?)", (print_of_pepper,))
        return pepper

    def _meta(self, name: str) -> bytes:
        found = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return found[0] if found else b""


def _hmac(secret: bytes) -> Callable[[str], bytes]:
    """HMAC-SHA256 with both padded key blocks hashed in advance: 1 us, where `hmac.digest` takes 2.7."""
    block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(text: str) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(text.encode("utf-8", "replace"))
        second.update(first.digest())
        return second.digest()

    return digest


def _key(values: Sequence[Any]) -> Key:
    key_id, name, role, tenant, created_at, expires_at, revoked_at, models, limits = values
    return Key(
        key_id=key_id,
        name=name,
        role=role,
        tenant=tenant,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        allowed_models=None if models is None else msgspec.json.decode(models, type=tuple[str, ...]),
        limits=msgspec.json.decode(limits, type=KeyLimits),
    )


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
