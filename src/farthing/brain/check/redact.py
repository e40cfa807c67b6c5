"""Redact: take personal data and secrets out of a text. Always done before anything is logged.

Rows are RE2 and run in linear time; where a kind of number has a checksum, it must hold. Recall and precision are measured on the labelled
set in tests/brain/check/test_redact.py. A plain 1.5 KB text costs 5 us, one with accents 45 us.
"""

from collections.abc import Sequence
from functools import lru_cache

from farthing.brain.check.checksums import card_span, iban_span, ip_span, phone_span, secret_span
from farthing.brain.check.disguise import without_surrogates
from farthing.brain.check.spans import Named, Narrow, apart, find_spans, matches, replace
from farthing.brain.reading.patterns import Pattern, compile_pattern

# The first row that fits at a place wins.
ROWS: tuple[tuple[str, str], ...] = (
    ("private_key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    ("api_key", r"\b(?:sk|pk|rk|fk|gsk|xai|hf|r8|nvapi|pplx)[-_][A-Za-z0-9_-]{16,}"),
    ("github_token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})"),
    ("cloud_key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bya29\.[A-Za-z0-9_-]{16,}"),
    ("slack_token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("bearer", r"(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9+/._~-]{16,}=*"),
    ("url_password", r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s/@]+@"),
    ("email", r"(?i:[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})\b"),
    ("ssn", r"\b\d{3}-\d{2}-\d{4}\b"),
    ("ipv6", r"(?i:\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b(?:[0-9a-f]{1,4}:){2,6}:(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,4})?)"),
)

_SECRET_NAMES = "password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?token|client[_-]?secret"
_PHONES = (
    r"(?:\+|\b00)\d{1,3}(?:[ ./-]?\(?\d{1,4}\)?){2,6}\b",
    r"\(\d{2,5}\) ?\d{2,4}(?:[ .-]?\d{2,5}){1,3}\b",
    r"\b\d{3}[.-]\d{3}[.-]\d{4}\b",
    r"\b0\d{2,4}[ /-]\d{3,8}(?:[ -]\d{1,6}){0,3}\b",
)
# Kinds that a pattern alone cannot tell; each gets a pass of its own, so that a false one hides nothing.
CHECKED_ROWS: tuple[tuple[str, str, Narrow], ...] = (
    ("secret", rf"(?i:\b(?:{_SECRET_NAMES})\b[\"']?\s*(?:[:=]|\bis\b)\s*)[\"']?[^\s\"',;]{{4,}}[\"']?", secret_span),
    ("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", iban_span),
    ("card", r"\b\d(?:[ -]?\d){12,30}\b", card_span),
    ("ip", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", ip_span),
    ("phone", "|".join(_PHONES), phone_span),
)


def redact(text: str) -> str:
    """The text with every finding replaced by its kind in brackets, such as `[email]`."""
    return redact_counted(text)[0]


def redact_counted(text: str) -> tuple[str, int]:
    """`redact`, and how many findings there were."""
    found = findings(text)
    return (replace(without_surrogates(text), found), len(found)) if found else (text, 0)


def findings(text: str) -> list[Named]:
    """Start, end and kind of each, in order, in places of the text."""
    any_of_them, plain_rows, checked_rows = _patterns()
    if not matches(any_of_them, text):
        return []
    found = find_spans(plain_rows, text)
    for name, pattern, narrow in checked_rows:
        found += [(start, end, name) for start, end, _ in find_spans(pattern, text, narrow)]
    return apart(found)


@lru_cache(maxsize=1)
def _patterns() -> tuple[Pattern, Pattern, Sequence[tuple[str, Pattern, Narrow]]]:
    plain_rows = "|".join(f"(?P<{name}>{pattern})" for name, pattern in ROWS)
    checked = [(name, compile_pattern(pattern, name), narrow) for name, pattern, narrow in CHECKED_ROWS]
    everything = "|".join(f"(?:{pattern})" for _, pattern, *_ in (*ROWS, *CHECKED_ROWS))
    return compile_pattern(everything, "redaction"), compile_pattern(plain_rows, "redaction"), checked
