"""Cap: no request costs, calls or lasts more than allowed.

Guarantees: every limit is reserved before the call and settled after it, never checked and added; a budget of money refuses a model
whose price is unknown; what was held comes back exactly once; every refusal names the setting to raise and when it resets.
Costs: no input or output; quote, holds, releases and headers together 7 us for a key with requests, tokens and a daily budget
(bench/cap.py).
Off: leave the limits unset. A limit that is set fails closed.
"""

from functools import lru_cache

from farthing.config import Config
from farthing.core.request import Inbound, KeyLimits

_OPTIONS = {
    "requests_per_minute": "--rpm",
    "tokens_per_minute": "--tpm",
    "concurrent": "--concurrent",
    "daily_usd": "--daily-usd",
    "monthly_usd": "--monthly-usd",
}


class Subject:
    """Someone who is limited: how meters, messages and config call it, and its limits. `own` are those that its key was made with."""

    __slots__ = ("_config_key", "_own", "limits", "meter", "title")

    def __init__(self, meter: str, title: str, config_key: str, limits: KeyLimits, own: KeyLimits | None = None) -> None:
        self.meter = meter
        self.title = title
        self.limits = limits
        self._config_key = config_key
        self._own = own

    def setting(self, name: str) -> str:
        """What to raise: the configuration key of this limit, or, for a limit of the virtual key itself, the option of a new one."""
        if self._own is not None and getattr(self._own, name) is not None:
            return f"farthing keys create {_OPTIONS[name]}"
        return f"{self._config_key}.{name}"


def subjects(inbound: Inbound, config: Config) -> list[Subject]:
    """Everyone whose limits this request must fit: its key, its tenant, its end user. Those without any limit are left out."""
    found: list[Subject] = []
    limits = config.limits
    key_id = inbound.principal.key_id
    if key_id is not None:
        own = inbound.principal.limits
        merged = limits.key if own == _UNLIMITED else own if limits.key == _UNLIMITED else _merge(own, limits.key)
        if merged != _UNLIMITED:
            found.append(Subject(f"key:{key_id}", f"key '{key_id}'", "limits.key", merged, own))
    tenant = inbound.tenant
    if limits.tenant:
        name = tenant if tenant in limits.tenant else "*"
        tenant_limits = limits.tenant.get(name)
        if tenant_limits is not None and tenant_limits != _UNLIMITED:
            found.append(Subject(f"tenant:{tenant}", f"tenant '{tenant}'", f"limits.tenant.{_toml_key(name)}", tenant_limits))
    user = inbound.user_hash
    if user is not None and limits.user != _UNLIMITED:
        found.append(Subject(f"user:{scoped(tenant, user)}", f"end user '{user}'", "limits.user", limits.user))
    return found


def scoped(tenant: str, name: str) -> str:
    """A name that a caller chose, inside its tenant; the length keeps `a` + `b.c` and `a.b` + `c` apart."""
    return f"{len(tenant)}.{tenant}.{name}"


def _toml_key(name: str) -> str:
    return name if name.replace("-", "_").isidentifier() else f'"{name}"'


@lru_cache(maxsize=1024)
def _merge(own: KeyLimits, default: KeyLimits) -> KeyLimits:
    values = {name: getattr(own, name) if getattr(own, name) is not None else getattr(default, name) for name in _OPTIONS}
    return KeyLimits(**values)


_UNLIMITED = KeyLimits()
