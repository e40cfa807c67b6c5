"""A `farthing.toml` with the levers that an audit recommends, each with the figure that speaks for it.

Guarantees: it loads as it stands (tests/lab/audit/test_run.py); keys are named by environment variable; levers that have no key
yet, and work that is no lever's, stand in it as remarks.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from farthing.config import Service
from farthing.lab.audit.finders.output import limit_for
from farthing.lab.audit.playbook import Finding
from farthing.lab.audit.usual import Usuals
from farthing.models.services import KNOWN

Spend = Mapping[tuple[str | None, str], float]  # USD by provider and model

_LEAST_SHARE = 0.002  # of the cost; below, a finding recommends nothing
_CACHE_KINDS = ("exact_repeats", "semantic_repeats", "retries")
_DIET_KINDS = ("repeated_context", "boilerplate")
_OUTPUT_KINDS = ("no_output_limit", "long_answers")
_OTHER_NAMES = {
    "google": "gemini",
    "vertex_ai": "gemini",
    "vertex_ai_beta": "gemini",
    "x-ai": "xai",
    "mistralai": "mistral",
    "together_ai": "together",
}
_MAKERS = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gemini"),
    ("grok", "xai"),
    ("mistral", "mistral"),
)


def recommend(findings: Sequence[Finding], spend: Spend, swaps: Mapping[tuple[str, str], int], usuals: Usuals) -> str:
    """The file's text."""
    worth = {finding.kind: finding for finding in findings if finding.share >= _LEAST_SHARE}
    parts = [*_head(worth), *_models(worth, spend, swaps), *_cache(worth), *_diet(worth), *_endpoints(worth, usuals), *_sampling(), *_by_hand(worth)]
    return "\n".join(parts).rstrip() + "\n"


def service_of(provider: str | None, model: str) -> str | None:
    """The known service that serves a model as a log names it."""
    bare = model.rpartition("/")[2].lower()
    before = model.partition("/")[0].lower() if "/" in model else None
    for said in (provider and provider.lower(), before):
        name = _OTHER_NAMES.get(said or "", said or "")
        if name in KNOWN and KNOWN[name].base_url:
            return name
    return next((service for begins, service in _MAKERS if bare.startswith(begins)), None)


def _head(worth: Mapping[str, Finding]) -> Iterator[str]:
    yield "# Written by 'farthing audit' from the log it read. USD are per 1,000 requests of that log, each lever for itself: they overlap."
    if not worth:
        yield "# No finding is worth a lever. These are the defaults, which count and cap and change nothing."
    yield ""


def _models(worth: Mapping[str, Finding], spend: Spend, swaps: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Services that the log's models are served by, and the two tiers."""
    ranked = sorted(spend.items(), key=lambda item: (-item[1], str(item[0])))
    served = {key: name for key, _ in ranked if (name := service_of(*key)) is not None}
    if not served:
        return
    for name in dict.fromkeys(served.values()):
        yield from _service(name, KNOWN[name])
    (_, dear), service = next(iter(served.items()))
    cheap = _cheap(dear, service, swaps if "easy_on_dear" in worth else {}, served)
    expensive = f"{service}/{_bare(dear, service)}"
    yield "[tiers]"
    if "easy_on_dear" in worth:
        yield _because(worth["easy_on_dear"])
    yield f"cheap = [{_text(cheap or expensive)}]"
    yield f"expensive = [{_text(expensive)}]"
    yield ""
    if "easy_on_dear" in worth and cheap:
        yield "# Requests for farthing/auto go by the shipped rules (docs/levers/route.md); a model that is named stays."
        yield "[route]"
        yield 'otherwise = "expensive"'
        yield ""


def _cheap(dear: str, service: str, swaps: Mapping[tuple[str, str], int], served: Mapping[tuple[str | None, str], str]) -> str | None:
    found = max(((count, cheap) for (model, cheap), count in swaps.items() if model == dear), default=None)
    found = found or max(((count, cheap) for (_, cheap), count in swaps.items()), default=None)
    return None if found is None else f"{service_of(None, found[1]) or service}/{found[1]}" if service_of(None, found[1]) in served.values() else None


def _service(name: str, row: Service) -> Iterator[str]:
    yield f"[services.{name}]"
    for field in ("dialect", "base_url", "api_key_env", "auth", "models", "responses"):
        value = getattr(row, field)
        if value != getattr(Service(), field):
            yield f"{field} = {_value(value)}"
    yield ""


def _bare(model: str, service: str) -> str:
    return model.removeprefix(f"{service}/")


def _cache(worth: Mapping[str, Finding]) -> Iterator[str]:
    found = [worth[kind] for kind in _CACHE_KINDS if kind in worth]
    if not found:
        return
    yield "[cache]"
    yield from map(_because, found)
    yield "enabled = true"
    yield "coalesce = true"
    yield "ttl_s = 86400"
    yield ""


def _diet(worth: Mapping[str, Finding]) -> Iterator[str]:
    found = [worth[kind] for kind in _DIET_KINDS if kind in worth]
    if not found:
        return
    yield "[diet]"
    yield from map(_because, found)
    yield "# Paragraphs that stand twice are dropped; phrases are yours to delete: farthing diet PROMPT --explain."
    yield "enabled = true"
    yield ""


def _endpoints(worth: Mapping[str, Finding], usuals: Usuals) -> Iterator[str]:
    """Output limits where answers ran on."""
    named: dict[str, Finding] = {}
    for kind in _OUTPUT_KINDS:
        if kind in worth:
            named |= {endpoint: worth[kind] for endpoint in worth[kind].endpoints if endpoint not in named}
    known = usuals.named()
    for endpoint, finding in named.items():
        limit = limit_for(known[endpoint]) if endpoint in known else None
        if limit is None:
            continue
        yield f"[endpoints.{_text(endpoint)}]"
        yield _because(finding)
        yield f"max_output_tokens = {limit}  # 99 in 100 of its answers keep it"
        yield ""


def _sampling() -> Iterator[str]:
    yield "# Keeps the text of one request in fifty, redacted, so that the next audit sees what this one saw."
    yield "[sampling]"
    yield "log = 0.02"
    yield ""


def _by_hand(worth: Mapping[str, Finding]) -> Iterator[str]:
    """What no key of this file does."""
    rest = [finding for kind, finding in worth.items() if kind not in (*_CACHE_KINDS, *_DIET_KINDS, *_OUTPUT_KINDS, "easy_on_dear")]
    if rest:
        yield "# Not a matter of this file:"
    for finding in rest:
        yield f"{_because(finding)} {finding.remedy}"


def _because(finding: Finding) -> str:
    return f"# {finding.title}: {finding.per.per_1k:.4f} USD ({finding.low.per_1k:.4f} to {finding.high.per_1k:.4f}), {finding.certainty}."


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _value(value: object) -> str:
    return f"[{', '.join(map(_text, cast(tuple[str, ...], value)))}]" if isinstance(value, tuple) else msgspec.json.encode(value).decode()
