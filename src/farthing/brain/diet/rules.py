"""The exact rules, in the order in which they run."""

from farthing.brain.diet.base import Part, Rule
from farthing.brain.diet.noise import Phrases, html_text, repeated_lines
from farthing.brain.diet.prose import markdown, whitespace
from farthing.brain.diet.records import minify, to_csv

_EVERY: frozenset[Part] = frozenset({"system", "assistant", "tool", "documents"})
_BROUGHT: frozenset[Part] = frozenset({"tool", "documents"})  # what nobody wrote for this conversation

# Lines that a page, a mail or a template carries and that no answer needs. `diet.boilerplate` replaces them.
BOILERPLATE = (
    "all rights reserved",
    "accept all cookies",
    "we use cookies to improve your experience",
    "skip to main content",
    "skip to content",
    "back to top",
    "share this article",
    "share on facebook",
    "share on twitter",
    "share on linkedin",
    "subscribe to our newsletter",
    "sign up for our newsletter",
    "click here to unsubscribe",
    "advertisement",
    "this e-mail and any attachments are confidential",
    "sent from my iphone",
    "table of contents",
    "read more",
)


def data_rules() -> tuple[Rule, ...]:
    """Rules for what has a syntax; they know their own strings."""
    return (
        Rule("html", _BROUGHT, html_text),
        Rule("csv", _BROUGHT, to_csv),
        Rule("json", frozenset({"system", "tool", "documents"}), minify),
        Rule("log", _BROUGHT, repeated_lines),
    )


def prose_rules(phrases: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules for words; they see no quotes, links or code."""
    return (
        Rule("boilerplate", _BROUGHT, Phrases(phrases)),
        Rule("markdown", frozenset({"system", "tool", "documents"}), markdown),
        Rule("whitespace", _EVERY, whitespace),
    )
