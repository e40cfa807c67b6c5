"""Rules: the first whose conditions all hold names the tier.

A rule that saves money may ask for confidence in the task type; without it the request goes to the expensive tier.
"""

from farthing.config import Match, Rule
from farthing.core.decision import Decision
from farthing.core.exchange import Signals, TierName
from farthing.core.request import Inbound

DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(name="sensitive domain", tier="expensive", when=Match(domain=("compliance", "pricing", "legal"))),
    Rule(name="high risk", tier="expensive", when=Match(risk=("high",))),
    Rule(name="enterprise tenant", tier="expensive", when=Match(tenant_tier=("enterprise",))),
    Rule(name="labelling", tier="cheap", when=Match(task=("classification", "tag_prediction", "sentiment")), decides=False),
    Rule(
        name="faq from documents",
        tier="cheap",
        when=Match(needs_documents=True, input_tokens_below=512, task=("faq_qna",)),
        min_confidence=0.6,
        decides=False,
    ),
    Rule(name="short question", tier="cheap", when=Match(query_tokens_below=128, needs_documents=False), decides=False),
)


def pick_tier(signals: Signals, inbound: Inbound, rules: tuple[Rule, ...], otherwise: TierName) -> tuple[TierName, Decision]:
    """The tier of the first rule that matches, else `otherwise`."""
    for rule in rules:
        if not _matches(rule.when, signals, inbound):
            continue
        if signals.confidence < rule.min_confidence:
            reason = f"rule '{rule.name}' wants confidence {rule.min_confidence:.2f}, task {signals.task} has {signals.confidence:.2f}"
            return "expensive", Decision("route", "expensive", reason)
        return rule.tier, Decision("route", rule.tier, f"rule '{rule.name}': {_because(rule.when, signals, inbound)}")
    return otherwise, Decision("route", otherwise, f"no rule matched: task {signals.task}, {signals.query_tokens} tokens asked")


def leaves_open(signals: Signals, inbound: Inbound, rules: tuple[Rule, ...]) -> bool:
    """Whether no rule insists: none matches, or the first that does is advice."""
    return not next((rule.decides for rule in rules if _matches(rule.when, signals, inbound)), False)


def _matches(when: Match, signals: Signals, inbound: Inbound) -> bool:
    """Text conditions compare exactly; what the caller says about domain and language wins over what was guessed."""
    return not (
        (when.domain is not None and (inbound.domain or signals.domain) not in when.domain)
        or (when.risk is not None and signals.risk not in when.risk)
        or (when.task is not None and signals.task not in when.task)
        or (when.tenant_tier is not None and inbound.tenant_tier not in when.tenant_tier)
        or (when.needs_documents is not None and signals.needs_documents is not when.needs_documents)
        or (when.query_tokens_below is not None and signals.query_tokens >= when.query_tokens_below)
        or (when.input_tokens_below is not None and signals.input_tokens >= when.input_tokens_below)
        or (when.complexity_below is not None and signals.complexity >= when.complexity_below)
        or (when.tenant is not None and inbound.tenant not in when.tenant)
        or (when.endpoint is not None and inbound.endpoint not in when.endpoint)
        or (when.language is not None and (inbound.language or signals.language) not in when.language)
    )


def _because(when: Match, signals: Signals, inbound: Inbound) -> str:
    """The conditions of a rule with the values that met them."""
    met: list[str] = []
    if when.domain is not None:
        met.append(f"domain {inbound.domain or signals.domain}")
    if when.risk is not None:
        met.append(f"risk {signals.risk}")
    if when.task is not None:
        met.append(f"task {signals.task}")
    if when.tenant_tier is not None:
        met.append(f"tenant tier {inbound.tenant_tier}")
    if when.query_tokens_below is not None:
        met.append(f"{signals.query_tokens} < {when.query_tokens_below} tokens asked")
    if when.input_tokens_below is not None:
        met.append(f"{signals.input_tokens} < {when.input_tokens_below} tokens in all")
    if when.needs_documents is not None:
        met.append("documents needed" if signals.needs_documents else "no documents needed")
    if when.complexity_below is not None:
        met.append(f"complexity {signals.complexity:.2f} < {when.complexity_below:.2f}")
    if when.tenant is not None:
        met.append(f"tenant {inbound.tenant}")
    if when.endpoint is not None:
        met.append(f"endpoint {inbound.endpoint}")
    if when.language is not None:
        met.append(f"language {inbound.language or signals.language}")
    return ", ".join(met) or "always"
