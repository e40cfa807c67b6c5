"""One logged call to its facts. Pure, so that other processes can do it; all the reading of text is done here."""

from collections.abc import Sequence
from hashlib import blake2b

from farthing.brain.classify import classify
from farthing.brain.route.rules import DEFAULT_RULES, pick_tier
from farthing.core.money import to_picousd
from farthing.core.request import Dialect, Inbound, Peek, Principal
from farthing.lab.audit import reading
from farthing.lab.audit.facts import NONE, Facts, Range
from farthing.lab.audit.layout import Layout, lay_out, pieces_of
from farthing.lab.audit.vectors import SHORT_DIMENSIONS, Embedder, Lexical
from farthing.lab.logs.base import LoggedCall
from farthing.models.tokens import TokenCounter

GIST_CHARS = 140
MOST_EASY = 2000  # characters of a question that may count as easy
LABEL_CHARS, LABEL_WORDS = 40, 5
PLAIN_TASKS = frozenset({"classification", "tag_prediction", "sentiment", "translate", "extract", "faq_qna", "chat"})
PLAIN_COMPLEXITY = 0.3

LEAST_WORDS = 5  # an answer with fewer words of its own cannot be held against documents
LEAST_TURN = 80  # bytes of a turn that is worth leaving out
# A passage counts as used by its share of the answer's own words, and of the best passage's share.
_UNUSED = ((0.05, 0.2), (0.12, 0.35), (0.25, 0.6))
_GROUNDED = 0.1  # an answer that shares less with every passage was written in other words, or not from them
_UNREFERRED = (0.02, 0.06, 0.15)

_nobody = Principal(key_id=None, tenant="")


class Extractor:
    """Holds what extraction needs: an embedder and the token estimate."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or Lexical()
        self._tokens = TokenCounter()

    def facts(self, call: LoggedCall) -> Facts:
        layout = lay_out(call.turns)
        tokens_in, tokens_out, estimated = self._counts(call, layout)
        easy, plain = self._easy(call, layout)
        repeated, sample = _repeated(layout)
        unused, document, judged = _unused(layout, call)
        unreferred, turn = _unreferred(layout, call)
        filler, phrase = reading.filler_of(layout.system)
        alone = not layout.history and not call.tool_calls and layout.last != ""
        system = reading.hash_of(layout.system)
        return Facts(
            source=call.source,
            endpoint=_endpoint(call, layout),
            model=call.model,
            provider=call.provider,
            at=call.received_at,
            latency_s=call.latency_s,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cached=call.tokens_cached,
            written=call.tokens_cache_write,
            reasoning=call.tokens_reasoning or 0,
            estimated=estimated,
            cost_picousd=None if call.cost_usd is None else to_picousd(call.cost_usd),
            failed=(call.status is not None and call.status >= 400) or call.error_code is not None,
            reused=call.cache not in (None, "miss", "bypass", "off"),
            stream=call.stream,
            embeds=call.dialect is Dialect.EMBEDDINGS,
            run=_id(call.run_id),
            actor=_id(call.user or call.session),
            key=_key(call) if call.turns else None,
            scope=_scope(call, system),
            system=system,
            temperature=call.temperature,
            limit=None if not call.turns else call.max_output_tokens or 0,
            has_tools=call.has_tools or bool(call.tool_calls),
            tools=call.tool_calls,
            sizes=layout.sizes,
            pieces=pieces_of(layout, call.turns),
            shots=layout.shots,
            filler=min(filler, layout.sizes[0]),
            repeated=repeated,
            unused=unused,
            unreferred=unreferred,
            judged=judged,
            easy=easy,
            plain=plain,
            label=_label(call.answer),
            figures=(reading.figures_of(layout.last), reading.figures_of(call.answer or "")) if alone else (0, 0),
            vector=self._embedder.vector(layout.last) if alone else None,
            answer_vector=self._embedder.vector(call.answer, SHORT_DIMENSIONS) if alone and call.answer else None,
            gist=" ".join(layout.last[: GIST_CHARS * 2].split())[:GIST_CHARS],
            shown=(sample, document, turn, phrase),
        )

    def _counts(self, call: LoggedCall, layout: Layout) -> tuple[int | None, int | None, bool]:
        """Tokens as the log counts them, else as the text estimates them."""
        told_in, told_out = call.tokens_in, call.tokens_out
        if told_in is None and call.turns:
            told_in = self._tokens.estimate(sum(layout.sizes))
        if told_out is None and call.answer is not None:
            told_out = self._tokens.estimate(reading.size_of(call.answer))
        return told_in, told_out, (told_in, told_out) != (call.tokens_in, call.tokens_out)

    def _easy(self, call: LoggedCall, layout: Layout) -> tuple[str | None, bool]:
        """What the shipped routing rules would do with it; nothing where tools are in play or much is asked."""
        if call.has_tools or call.tool_calls or not 0 < len(layout.last) <= MOST_EASY:
            return None, False
        peek = Peek(model="logged", turns=call.turns, temperature=call.temperature, text_bytes=sum(layout.sizes))
        inbound = Inbound("", call.dialect, b"", peek, _nobody, 0.0, 0.0, call.endpoint or "")
        signals = classify(inbound, self._tokens)
        tier, decision = pick_tier(signals, inbound, DEFAULT_RULES, "expensive")
        if tier != "cheap":
            return None, False
        return decision.reason.split("'")[1], signals.task in PLAIN_TASKS and signals.complexity <= PLAIN_COMPLEXITY


def _endpoint(call: LoggedCall, layout: Layout) -> str:
    """Its name, else what its system prompt begins with."""
    if call.endpoint:
        return call.endpoint
    begins = " ".join(layout.system[:120].split())[:48]
    return f'prompt "{begins}"' if begins else "(unnamed)"


def _id(name: str | None) -> int | None:
    return None if name is None else _digest(name.encode("utf-8", "surrogatepass"))


def _digest(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=7).digest(), "little")


def _key(call: LoggedCall) -> int:
    """Of everything that decides the answer."""
    told = [call.model or "", call.dialect, str(call.max_output_tokens), str(call.has_tools)]
    told += [piece for turn in call.turns for piece in (turn.role, turn.text)]
    return _digest("\x00".join(told).encode("utf-8", "surrogatepass"))


def _scope(call: LoggedCall, system: int) -> int:
    return _digest(f"{call.endpoint}\x00{call.model}\x00{system}\x00{call.tenant}\x00{len(call.turns)}".encode("utf-8", "surrogatepass"))


def _label(answer: str | None) -> str | None:
    if not answer or len(answer) > 2 * LABEL_CHARS:
        return None
    plain = answer.strip().strip("\"'`*.").lower()
    return plain if len(plain) <= LABEL_CHARS and len(plain.split()) <= LABEL_WORDS else None


def _repeated(layout: Layout) -> tuple[tuple[int, int, int], str]:
    """Bytes of sentences that the prompt holds already, by part, and one of the repeated texts."""
    above, seen = reading.long_sentences_of(layout.system), set[int]()
    found, sample = [0, 0, 0], ""
    for place, texts in ((1, layout.history), (0, layout.documents), (2, (layout.asked,))):
        for text in texts:
            again = 0
            for key, size in reading.sentences_of(text):
                if size < reading.LEAST_SENTENCE:
                    continue
                if key in above or key in seen:
                    again += size
                else:
                    seen.add(key)
            found[place] += again
            sample = sample or (_excerpt(text) if again else "")
    return (found[0], found[1], found[2]), sample


def _unused(layout: Layout, call: LoggedCall) -> tuple[Range, str, bool]:
    """Bytes of documents that share next to no words with the answer, beyond those of the question."""
    if not layout.documents or not call.answer:
        return NONE, "", False
    own = reading.words_of(call.answer) - reading.words_of(layout.asked)
    if len(own) < LEAST_WORDS:
        return NONE, "", False
    shares = [len(reading.read(text).words & own) / len(own) for text in layout.documents]
    best = max(shares)
    sizes = [reading.size_of(text) for text in layout.documents]
    if best < _GROUNDED:
        return Range(0, 0, sum(sizes)), "", True
    sums = [sum(size for share, size in zip(shares, sizes, strict=True) if share < least and share < of_best * best) for least, of_best in _UNUSED]
    worst = min(zip(shares, layout.documents, strict=True), key=lambda pair: pair[0])[1]
    return Range(*sums), _excerpt(worst) if sums[1] else "", True


def _unreferred(layout: Layout, call: LoggedCall) -> tuple[Range, str]:
    """Bytes of earlier turns whose words neither the question nor the answer takes up. The last exchange is always kept."""
    earlier = [text for text in layout.history[:-2] if len(text) >= LEAST_TURN]
    if not earlier or not call.answer:
        return NONE, ""
    now = reading.words_of(layout.asked) | reading.words_of(call.answer)
    if len(now) < LEAST_WORDS:
        return NONE, ""
    sums, sample = [0, 0, 0], ""
    for text in earlier:
        read = reading.read(text)
        share = len(read.words & now) / max(1, min(len(read.words), len(now)))
        for place, least in enumerate(_UNREFERRED):
            sums[place] += read.size if share < least else 0
        sample = sample or (_excerpt(text) if share < _UNREFERRED[1] else "")
    if layout.after or call.has_tools:  # an agent at work may need what it does not name
        return Range(0, 0, sums[2]), ""
    return Range(*sums), sample


def _excerpt(text: str) -> str:
    return " ".join(text[: GIST_CHARS * 2].split())[:GIST_CHARS]


def extract_all(calls: Sequence[LoggedCall], extractor: Extractor) -> list[Facts]:
    return [extractor.facts(call) for call in calls]
