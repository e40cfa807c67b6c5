"""A reranker behind a configured service: anything that answers POST BASE_URL/rerank as Cohere, Jina, Voyage, vLLM and TEI's proxies do.

    asks     {"model", "query", "documents": ["...", ...], "top_n"}
    answers  {"results": [{"index": 3, "relevance_score": 0.87}, ...]}     (Voyage names the list `data`)

Costs: one call; what it is paid with is `retrieve.rerank_usd`, a call's price. The address is the configuration's, so it may be a private one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from farthing.config import Config, Service
from farthing.core.clock import Clock
from farthing.core.errors import ConfigError, UpstreamBroken
from farthing.core.exchange import Target
from farthing.core.web import WebReply, WebRequest
from farthing.models.requests import Address, auth_lines, key_of

_MOST_BYTES = 1 << 20
Fetch = Callable[[WebRequest], Awaitable[WebReply]]


class _Scored(msgspec.Struct):
    index: int
    relevance_score: float


class _Ranking(msgspec.Struct):
    results: list[_Scored] = []
    data: list[_Scored] = []


class HostedReranker:
    """Fulfils `brain.ports.Reranker`."""

    def __init__(
        self, target: Target, service: Service, *, key: str | None, usd: Decimal | None, timeout_s: float, fetch: Fetch, clock: Clock
    ) -> None:
        self.target, self.usd = target, usd
        self._address, self._auth = Address(target.service, service), tuple(auth_lines(service, key))
        self._query = f"?{service.query.lstrip('?')}" if service.query else ""
        self._fetch, self._clock, self._timeout_s = fetch, clock, timeout_s

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """One for each text, from 0 to 1. Raises the `Upstream` branch."""
        body = {"model": self.target.model, "query": question, "documents": list(texts), "top_n": len(texts)}
        address = self._address
        reply = await self._fetch(
            WebRequest(
                method="POST",
                tls=address.tls,
                host=address.host,
                port=address.port,
                target=f"{address.path}/rerank{self._query}",
                body=msgspec.json.encode(body),
                headers=self._auth,
                deadline_s=self._clock.monotonic() + self._timeout_s,
                max_bytes=_MOST_BYTES,
                private_ok=True,
            )
        )
        return self._read(reply, len(texts))

    def _read(self, reply: WebReply, count: int) -> list[float]:
        where = f"{self.target.service}/{self.target.model}"
        if not 200 <= reply.status < 300:
            raise UpstreamBroken(f"The reranker '{where}' answered with status {reply.status}.")
        try:
            ranking = msgspec.json.decode(reply.body, type=_Ranking)
        except msgspec.MsgspecError as error:
            raise UpstreamBroken(f"The reranker '{where}' answered with something that is no ranking: {error}") from error
        found = [0.0] * count
        for one in ranking.results or ranking.data:
            if not 0 <= one.index < count:
                raise UpstreamBroken(f"The reranker '{where}' scored text {one.index} of {count}.")
            found[one.index] = one.relevance_score
        return found


def choose_reranker(config: Config, environ: Mapping[str, str], fetch: Fetch, clock: Clock) -> HostedReranker | None:
    """The one that `retrieve.rerank` names; `None`: the local ranking alone. Raises `ConfigError` for a service that is not there."""
    named = config.retrieve.rerank
    if named is None:
        return None
    name, _, model = named.partition("/")
    service = config.services.get(name)
    if service is None or not model or service.dialect == "recorded":
        known = ", ".join(sorted(config.services)) or "none is configured"
        raise ConfigError(f"`retrieve.rerank` is '{named}': expected service/model of a service under [services] ({known}).")
    usd = None if config.retrieve.rerank_usd is None else Decimal(str(config.retrieve.rerank_usd))
    return HostedReranker(
        Target(name, model), service, key=key_of(service, environ), usd=usd, timeout_s=config.retrieve.rerank_timeout_s, fetch=fetch, clock=clock
    )
