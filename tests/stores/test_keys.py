"""Virtual keys: what is stored, who is let in, and how fast a revocation spreads."""

import asyncio
from pathlib import Path

import pytest

from farthing import config
from farthing.core.clock import FrozenClock, SystemClock
from farthing.core.errors import ConfigError, NotAuthenticated, NotFound, StoreUnavailable
from farthing.core.request import KeyLimits, Principal
from farthing.stores.sqlite import Keys
from tests.stores.samples import NOON, no_file_grows


@pytest.fixture
def store(tmp_path: Path) -> config.Store:
    return config.Store(path=str(tmp_path / "keys.db"))


def load(store: config.Store, clock: FrozenClock | None = None, **environ: str) -> Keys:
    return Keys.load(store, clock=clock or FrozenClock(NOON), environ=environ)


def test_a_key_lets_its_holder_in(store: config.Store) -> None:
    keys = load(store)
    assert not keys.any_keys
    limits = KeyLimits(requests_per_minute=5, daily_usd=1.5)
    key_id, secret = keys.create(name="team a", role="admin", tenant="acme", allowed_models=("gpt-*",), limits=limits)
    again = load(store)
    assert keys.any_keys
    assert again.any_keys
    for each in (keys, again):
        assert each.authenticate(secret) == Principal(key_id, "acme", "admin", ("gpt-*",), limits)
        each.shut()


def test_the_file_does_not_hold_the_secret(store: config.Store) -> None:
    keys = load(store)
    secrets = [keys.create(name="a")[1] for _ in range(3)]
    keys.shut()
    assert len(set(secrets)) == 3
    content = Path(store.path).read_bytes()
    for secret in secrets:
        assert secret.startswith("fk-")
        assert len(secret) == len("fk-") + 43
        assert secret[3:].encode() not in content


def test_the_file_is_for_its_owner_only(store: config.Store) -> None:
    load(store).shut()
    assert Path(store.path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("secret", ["", "fk-", "fk-" + "a" * 43, "\ud800", "sk-proj-123"])
def test_unknown_secrets_are_refused(store: config.Store, secret: str) -> None:
    keys = load(store)
    keys.create(name="a")
    with pytest.raises(NotAuthenticated, match="not known"):
        keys.authenticate(secret)
    keys.shut()


def test_an_expired_key_is_refused_with_its_date(store: config.Store) -> None:
    clock = FrozenClock(NOON)
    keys = load(store, clock)
    _, secret = keys.create(name="a", expires_at=NOON + 60)
    assert keys.authenticate(secret).tenant == "default"
    clock.advance(60)
    with pytest.raises(NotAuthenticated, match="expired on 2023-11-14 22:14 UTC"):
        keys.authenticate(secret)
    keys.shut()


def test_a_revoked_key_is_refused_and_stays_listed(store: config.Store) -> None:
    clock = FrozenClock(NOON)
    keys = load(store, clock)
    key_id, secret = keys.create(name="a")
    clock.advance(60)
    keys.revoke(key_id)
    clock.advance(60)
    keys.revoke(key_id)
    with pytest.raises(NotAuthenticated, match="revoked on 2023-11-14 22:14 UTC"):
        keys.authenticate(secret)
    (listed,) = keys.list()
    assert (listed.key_id, listed.name, listed.revoked_at) == (key_id, "a", NOON + 60)
    assert keys.any_keys
    with pytest.raises(NotFound, match="key_nobody"):
        keys.revoke("key_nobody")
    keys.shut()


def test_a_change_elsewhere_is_seen_on_refresh_and_only_then(store: config.Store) -> None:
    here, elsewhere = load(store), load(store)
    key_id, secret = elsewhere.create(name="a")
    assert here.refresh()
    assert here.authenticate(secret).key_id == key_id
    assert not here.refresh()
    elsewhere.revoke(key_id)
    assert here.refresh()
    with pytest.raises(NotAuthenticated):
        here.authenticate(secret)
    here.shut()
    elsewhere.shut()


def test_a_revocation_elsewhere_reaches_a_running_worker(store: config.Store) -> None:
    elsewhere = load(store)
    key_id, secret = elsewhere.create(name="a")

    async def run() -> None:
        worker = await Keys.open(store, clock=SystemClock(), environ={})
        worker.authenticate(secret)
        elsewhere.revoke(key_id)
        async with asyncio.timeout(10):
            while worker.list()[0].revoked_at is None:
                await asyncio.sleep(0.01)
        await worker.close()

    asyncio.run(run())
    elsewhere.shut()


def test_the_pepper_from_the_environment_must_stay_the_same(store: config.Store) -> None:
    keys = load(store, FARTHING_KEY_PEPPER="one")
    _, secret = keys.create(name="a")
    keys.shut()
    for environ in ({"FARTHING_KEY_PEPPER": "two"}, {}):
        with pytest.raises(ConfigError, match="another pepper"):
            load(store, **environ)
    keys = load(store, FARTHING_KEY_PEPPER="one")
    assert keys.authenticate(secret).role == "app"
    keys.shut()


def test_the_pepper_may_change_before_the_first_key(store: config.Store) -> None:
    load(store).shut()
    keys = load(store, FARTHING_KEY_PEPPER="p" * 100)
    assert keys.authenticate(keys.create(name="a")[1]).role == "app"
    keys.shut()


def test_any_in_makes_no_file(store: config.Store) -> None:
    assert not Keys.any_in(store)
    assert not Path(store.path).exists()
    keys = load(store)
    keys.create(name="a")
    keys.shut()


def test_a_store_that_cannot_be_written_says_so(store: config.Store) -> None:
    keys = load(store)
    with no_file_grows(), pytest.raises(StoreUnavailable, match="cannot be written"):
        keys.create(name="a")
    assert not keys.any_keys
    keys.create(name="a")
    keys.shut()
