"""Which questions may be compared by meaning at all. Rules are rows; the first that matches is the reason.

What they keep out goes the way of the exact lane and of the model: a rule that is too wide costs money, one that is too narrow costs trust.
"""

import re

from farthing.core.request import Inbound

# Reason, pattern on the lower-case question.
ROWS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        (
            "the answer changes with time",
            r"\b(now|today|tonight|tomorrow|yesterday|currently?|latest|recent(ly)?|newest|live|this (week|month|year|morning|evening)|"
            r"(last|next) (\d+ )?(day|week|month|year|hour|minute)s?|weather|forecast|stock|score|exchange rate|price[sd]?|news|what time)\b",
        ),
        (
            "it is about the caller's own affairs",
            r"\b(my|our|mine)\b.{0,40}\b(account|address|appointment|balance|bill|booking|card|case|claim|contract|delivery|e-?mail|invoice|loan|order|"
            r"package|password|payment|phone|plan|profile|refund|salary|subscription|ticket|usage)s?\b(?!.{0,3}(policy|policies))",
        ),
        (
            "it asks for something to be done",
            r"^\W*(please |can you |could you |now |just )*(cancel|transfer|delete|remove|send|book|order|buy|pay|call|text|schedule|remind|"
            r"set|turn|play|add|create|update|change|submit|open|close|start|stop|activate|deactivate|block|unblock)\b(?!.*\?)",
        ),
        (
            "it asks for something else than before",
            r"\b(another|again|different (one|answer)|random(ly)?|surprise me|one more|more (examples|ideas|of))\b",
        ),
        (
            "it works on a text that it brings along",
            r"\b(translate|summari[sz]e|rewrite|rephrase|proofread|correct|shorten|paraphrase|classify|extract)\b|\bthe following\b",
        ),
        (
            "it instructs instead of asking",
            r"\b(ignore|disregard|forget) (all|any|every|the|your|previous)\b|\balways (answer|say|reply)\b|\bsystem ?:",
        ),
        ("it names an address, a number or a link of someone", r"https?://|www\.|@\w+\.\w|\+?\d[\d \-()]{7,}\d"),
        ("it holds code or data", r"```|[{}\[\]<>;]{2,}|\bdef \w+\(|\bselect\b.+\bfrom\b|\t|\n.*\n"),
    )
)
_POINTING = re.compile(
    r"^(and|or|but|so|then|also|what about|how about|why|ok)\b|"
    r"\b(it|its|that|this|they|them|those|these|he|she|there|one|ones|former|latter|same)\b"
)
_LETTERS = re.compile(r"[^\W\d_]")


def unfit(inbound: Inbound, question: str, *, follows: bool, personal: bool, most_chars: int) -> str | None:
    """Why this question must not be compared by meaning; `None` when it may."""
    if not question.strip():
        return "there is no question"
    if len(question) > most_chars:
        return f"the question is longer than {most_chars} characters (`cache.semantic.max_question_chars`)"
    if inbound.peek.has_media:
        return "it comes with pictures, sound or files"
    low = question.lower()
    for reason, pattern in ROWS:
        if pattern.search(low):
            return reason
    if follows and _POINTING.search(low.strip()):
        return "it points back to what was said before"
    if personal:
        return "it holds personal data"
    letters = _LETTERS.findall(question)
    if sum(not letter.isascii() for letter in letters) * 5 > len(letters):
        return "the verifier reads English"
    return None
