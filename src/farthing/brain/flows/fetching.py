"""A step that asks a host of the configuration's."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farthing.brain.flows.local import StepFailed
from farthing.brain.flows.names import Values, as_json, fill
from farthing.brain.flows.place import Unfit, target_of
from farthing.brain.flows.plan import Step
from farthing.brain.ports import Fetch
from farthing.config.flows import Flow
from farthing.core.web import WebReply, WebRequest

_KB = 1024


def request_of(step: Step, values: Values, flow: Flow, environ: Mapping[str, str], *, now_s: float, deadline_s: float) -> WebRequest:
    """Raises `StepFailed` for a value that has no place in a URL, and for a token that is not there."""
    table, place = step.table, step.place
    assert place is not None
    try:
        target = target_of(place, values)
    except Unfit as value:
        raise StepFailed(f"a value does not fit into the URL: {value}") from None
    headers: tuple[tuple[str, str], ...] = ()
    if table.bearer_env is not None:
        token = environ.get(table.bearer_env, "")
        if not token or not token.isascii() or not token.isprintable():
            raise StepFailed(f"the environment variable {table.bearer_env} holds no token")
        headers = (("authorization", f"Bearer {token}"),)
    body = b"" if table.body is None else fill(table.body, values, as_json).encode()
    private = {one.lower() for one in flow.private_hosts}
    return WebRequest(
        method=table.method,
        tls=place.tls,
        host=place.host,
        port=place.port,
        target=target,
        body=body,
        headers=headers,
        deadline_s=min(deadline_s, now_s + table.timeout_s),
        max_bytes=table.max_kb * _KB,
        private_ok=place.listed in private,
    )


async def fetch_value(asked: WebRequest, fetch: Fetch) -> dict[str, Any]:
    """`status` and `body`, decoded where it is JSON. Raises `StepFailed` for any status but 2xx."""
    reply = await fetch(asked)
    if not 200 <= reply.status < 300:
        raise StepFailed(f"{asked.host}:{asked.port} answered with status {reply.status}")
    return {"status": reply.status, "body": _decoded(reply)}


def _decoded(reply: WebReply) -> Any:
    if "json" in reply.content_type.lower():
        try:
            return msgspec.json.decode(reply.body)
        except (ValueError, RecursionError):
            raise StepFailed("the answer says that it is JSON, and is not") from None
    return reply.body.decode("utf-8", "replace")
