"""From an HTTP request to an `Inbound`: read, bounded, authenticated, peeked."""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Literal, NoReturn

import msgspec

from farthing.config import Config
from farthing.core.decision import SWITCHABLE
from farthing.core.errors import BodyTooLarge, InvalidRequest, NotPermitted
from farthing.core.ids import new_id
from farthing.core.request import Dialect, Inbound, Peek, Principal
from farthing.edge.caller import Receive, Scope
from farthing.wire.peek import peek

# Header -> what it means to us. Everything else about a caller comes from its key.
_SESSION_HEADERS = (b"x-claude-code-session-id", b"session-id", b"session_id")
_FORWARDED = (b"anthropic-version", b"anthropic-beta", b"openai-beta")
# Headers of the call that made a batch which hold for each of its items.
_KEPT = frozenset(
    b"x-farthing-endpoint x-farthing-run x-farthing-levers x-farthing-task x-farthing-domain x-farthing-language x-farthing-tenant "
    b"x-farthing-cache-match x-farthing-cache-max-wrong x-farthing-cache-tags x-farthing-prompt-version x-farthing-sources "
    b"cache-control anthropic-version anthropic-beta openai-beta".split()
)
_LABEL_CHARS = 128
_MOST_WORDS = 32
_WORD_CHARS = 256


class ClientLeft(Exception):
    """The client hung up before its request was whole; there is nobody to answer."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Header values by lower-case name; of a repeated one the last."""
    return dict(scope["headers"])


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit_bytes: int) -> bytes:
    """The whole request body. Raises `BodyTooLarge` as soon as that is known."""
    declared = headers.get(b"content-length")
    if declared is not None and int(declared) > limit_bytes:
        _too_large(limit_bytes)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise InvalidRequest("Compressed request bodies are not accepted. Send the JSON as it is.", param="content-encoding")
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        body: bytes = message["body"]
        return body if len(body) <= limit_bytes else _too_large(limit_bytes)
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit_bytes:
            _too_large(limit_bytes)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


def _too_large(limit_bytes: int) -> NoReturn:
    raise BodyTooLarge(f"The request body is larger than {limit_bytes} bytes. Send less, or raise `limits.body_bytes`.")


def build_inbound(
    *,
    request_id: str,
    dialect: Dialect,
    body: bytes,
    headers: Mapping[bytes, bytes],
    principal: Principal,
    config: Config,
    started_s: float,
    received_at: float,
    view: Peek | None = None,
) -> Inbound:
    """Everything the brain wants to know, read once. `view`: the peek of these very bytes, when it is known."""
    if view is None:
        limits = config.limits
        view = peek(dialect, body, json_depth=limits.json_depth, max_messages=limits.messages)
    tenant = tenant_of(headers, principal)
    return Inbound(
        request_id=request_id,
        dialect=dialect,
        body=body,
        peek=view,
        principal=principal,
        started_s=started_s,
        received_at=received_at,
        endpoint=endpoint_of(headers) or "default",
        run_id=_label(headers, b"x-farthing-run") or request_id,
        tenant=tenant,
        user_hash=hash_user(tenant, view.end_user),
        session=_session_of(headers, view),
        levers_off=_levers_off(headers.get(b"x-farthing-levers")),
        no_store=b"no-store" in headers.get(b"cache-control", b""),
        widest_lane=_widest_lane(headers.get(b"x-farthing-cache-match")),
        prompt_version=_label(headers, b"x-farthing-prompt-version"),
        policy_version=config.cache.policy_version,
        cache_tags=_words(headers, b"x-farthing-cache-tags"),
        cites=_words(headers, b"x-farthing-sources"),
        max_wrong_per_hit=_max_wrong(headers.get(b"x-farthing-cache-max-wrong")),
        task_type=_label(headers, b"x-farthing-task"),
        domain=_label(headers, b"x-farthing-domain"),
        tenant_tier=config.tenant_tiers.get(tenant),
        language=_label(headers, b"x-farthing-language"),
        traceparent=_label(headers, b"traceparent"),
        forward_headers=tuple((name.decode(), headers[name].decode("latin-1")) for name in _FORWARDED if name in headers),
    )


def labels_of(headers: Mapping[bytes, bytes]) -> str:
    """What `Batch.headers` keeps of a call."""
    return msgspec.json.encode({name.decode(): value.decode("latin-1") for name, value in headers.items() if name in _KEPT}).decode()


def tenant_of(headers: Mapping[bytes, bytes], principal: Principal) -> str:
    """The key's tenant; an admin may act for another one."""
    wanted = _label(headers, b"x-farthing-tenant")
    return check_tenant(wanted, principal) if wanted else principal.tenant


def check_tenant(wanted: str, principal: Principal) -> str:
    if wanted != principal.tenant and principal.role != "admin":
        raise NotPermitted(f"Key {principal.key_id} belongs to tenant '{principal.tenant}'; only an admin key may name another tenant.")
    return wanted


def hash_user(tenant: str, end_user: str | None) -> str | None:
    """End users are kept as hashes, different in every tenant."""
    if not end_user:
        return None
    return blake2b(end_user.encode("utf-8", "surrogatepass"), digest_size=12, key=tenant.encode()[:64]).hexdigest()


def endpoint_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Which product feature is calling, as the header says."""
    return _label(headers, b"x-farthing-endpoint")


def error_dialect(scope: Scope) -> Dialect:
    """In whose words to refuse on a route that no dialect owns: Anthropic's SDKs send their version with every request."""
    anthropic = scope["path"].startswith("/v1/messages") or b"anthropic-version" in headers_of(scope)
    return Dialect.MESSAGES if anthropic else Dialect.CHAT


def _label(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1")[:_LABEL_CHARS] if value else None


def _session_of(headers: Mapping[bytes, bytes], view: Peek) -> str | None:
    for name in _SESSION_HEADERS:
        if name in headers:
            return _label(headers, name)
    return view.session


def _levers_off(value: bytes | None) -> frozenset[str]:
    """`-cache,-route` -> {"cache", "route"}. A word that switches nothing off is an error: whoever sent it relies on it."""
    if not value:
        return frozenset()
    words = [word for part in value.decode("latin-1").split(",") if (word := part.strip())]
    for word in words:
        if not (word.startswith("-") and word[1:] in SWITCHABLE):
            known = ", ".join(f"-{name}" for name in SWITCHABLE)
            raise InvalidRequest(f"x-farthing-levers holds '{word[:40]}', which switches nothing off. Known: {known}.", param="x-farthing-levers")
    return frozenset(word[1:] for word in words)


def _widest_lane(value: bytes | None) -> Literal["exact", "normalised", "semantic"]:
    """The cache may answer from this lane and from stricter ones."""
    match value:
        case None | b"semantic":
            return "semantic"
        case b"exact":
            return "exact"
        case b"normalised":
            return "normalised"
        case _:
            raise InvalidRequest("x-farthing-cache-match must be exact, normalised or semantic.", param="x-farthing-cache-match")


def _words(headers: Mapping[bytes, bytes], name: bytes) -> tuple[str, ...]:
    """A comma-separated header."""
    value = headers.get(name)
    if not value:
        return ()
    words = tuple(word for part in value.decode("utf-8", "replace").split(",") if (word := part.strip()))
    if len(words) > _MOST_WORDS or any(len(word) > _WORD_CHARS for word in words):
        raise InvalidRequest(f"{name.decode()} takes {_MOST_WORDS} words of {_WORD_CHARS} characters at most.", param=name.decode())
    return words


def _max_wrong(value: bytes | None) -> float | None:
    """A share of wrong answers per hit that the caller can live with; it only tightens the configured one."""
    if value is None:
        return None
    with suppress(ValueError):
        share = float(value)
        if 0 <= share <= 1:
            return share
    raise InvalidRequest("x-farthing-cache-max-wrong must be a share from 0 to 1, such as 0.005.", param="x-farthing-cache-max-wrong")


def request_id_of(now: float) -> str:
    return new_id("req", now)
