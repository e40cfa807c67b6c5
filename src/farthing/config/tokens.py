"""Fewer tokens: `[diet]`, `[retrieve]`, and how long an endpoint's answers are."""

from typing import Annotated, Literal

from farthing.config.table import NotNegative, Share
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key

LossyRule = Literal["extract", "history", "results"]


class Diet(_Table, frozen=True):
    """Sending fewer tokens that say the same. Exact rules only; a user's own words are never touched."""

    enabled: Annotated[bool, _key("Apply the rules.")] = True
    rules: Annotated[
        tuple[Literal["whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate"], ...],
        _key("Rules that act, each where it saves tokens (docs/levers/diet.md)."),
    ] = ("whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate")
    boilerplate: Annotated[
        tuple[str, ...] | None, _key("Phrases; a line of a document that says nothing else is dropped. Unset: the shipped ones.")
    ] = None
    min_tokens: Annotated[int, _key("Prompts shorter than this are not looked at.", ge=0)] = 100


class Lossy(_Table, frozen=True):
    """Leaving out what the question does not need (docs/levers/diet.md). Only with a quality floor: what is left out may have been the answer."""

    rules: Annotated[
        tuple[LossyRule, ...], _key("extract: from long documents; history: earlier turns; results: old tool results. Empty: nothing.")
    ] = ()
    context_tokens: Annotated[int, _key("extract: documents of a prompt are cut to so many tokens, all together.", ge=50)] = 1500
    history_tokens: Annotated[int, _key("history: earlier turns are cut to so many tokens, all together.", ge=50)] = 2000
    keep_turns: Annotated[int, _key("history: so many of the latest turns always stay.", ge=1)] = 3
    result_tokens: Annotated[int, _key("results: what stays of an old tool result that nothing later mentions.", ge=20)] = 150
    keep_results: Annotated[int, _key("results: so many of the latest always stay whole.", ge=0)] = 4
    summarize: Annotated[bool, _key("history: a summary by the cheap model in place of what is left out, where that pays.")] = False


Expansion = Literal["synonyms", "acronyms", "compounds", "spellings", "plurals"]


class Synonyms(_Table, frozen=True):
    """Names for the same thing, for the search by words: any of them finds the others."""

    words: Annotated[tuple[str, ...], _key('Words or phrases: ["VPN", "virtual private network"].', min_length=2)]
    collections: Annotated[tuple[str, ...] | None, _key("Collections that this holds for; unset: all.")] = None


class Retrieve(_Table, frozen=True):
    """Documents: how they are cut, and how much of them is sent."""

    chunk_tokens: Annotated[int, _key("Largest chunk of a document; a change needs `farthing docs reindex`.", ge=32, le=240)] = 170
    overlap_tokens: Annotated[int, _key("How much of a chunk's end begins the next one.", ge=0, le=120)] = 30
    max_file_mb: Annotated[float, _key("Larger files are not taken in.", gt=0)] = 32.0
    parse_cpu_s: Annotated[int, _key("Processor time that reading one file may take.", ge=1)] = 60
    budget_tokens: Annotated[int, _key("Most tokens of documents in one prompt.", ge=32)] = 700
    expand: Annotated[
        tuple[Expansion, ...],
        _key(
            "Other words for what a question says, for the search by words: your synonyms; what the documents themselves give two names; spellings."
        ),
    ] = ("synonyms", "acronyms", "compounds", "spellings")
    synonyms: Annotated[tuple[Synonyms, ...], _key("Your own rows of words that mean the same.")] = ()
    rewrite: Annotated[bool, _key("Have the cheap tier write a conversation's last question as one that stands alone; a call more.")] = False
    rerank: Annotated[str | None, _key("Hosted reranker as service/model, asked at BASE_URL/rerank; unset: the local ranking alone.")] = None
    rerank_usd: Annotated[NotNegative | None, _key("What one call to it costs; unset: unknown, and so is the cost of what it was asked for.")] = None
    rerank_timeout_s: Annotated[float, _key("Later answers are not waited for; the local ranking holds.", gt=0)] = 2.0
    url_hosts: Annotated[tuple[str, ...], _key("Hosts that documents may be fetched from, as host or host:port.")] = ()
    url_private_hosts: Annotated[tuple[str, ...], _key("Those of them that may have private addresses, as host:port.")] = ()
    url_timeout_s: Annotated[float, _key("Time that fetching one document may take.", gt=0)] = 20.0

    @property
    def chunking(self) -> str:
        """Chunks cut the same way carry the same word."""
        return f"{self.chunk_tokens}+{self.overlap_tokens} tokens"


class Output(_Table, frozen=True):
    """How long answers are. What a caller says itself always wins."""

    rule: Annotated[str | None, _key("Put at the end of the system prompt: 'at most 5 bullets', 'at most 150 words'.")] = None
    tasks: Annotated[dict[str, str], _key("Rules by task type, in place of `rule`: { summarize = 'at most 80 words' }.")] = {}
    control_share: Annotated[Share, _key("Share of runs that go without the rule, so that what it saves is measured and not guessed.")] = 0.05
    learn_limit: Annotated[
        bool, _key("Where the caller sets no output limit: the length that 99 % of the last answers here stayed within, and a margin.")
    ] = False
    limit_margin: Annotated[NotNegative, _key("What is put on top of it, as a share: 0.5 for half as much again.")] = 0.5
    stop: Annotated[tuple[str, ...], _key("Stop sequences where the caller has none.")] = ()
    cut_repeats: Annotated[bool, _key("End a stream that only repeats itself.")] = True
