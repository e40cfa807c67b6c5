"""Asking on the side: the caller's own request put to another model, and two answers put to the judge.

Bodies leave only after the guardrails took out what must not leave; what they block is not sent at all. Answers come whole and within a
limit of output tokens that is in the body, so that a quote is the most that a call should cost.
"""

from decimal import Decimal

import msgspec

from farthing.brain.cap import INPUT_MARGIN_PERCENT, limit_field, max_output_tokens
from farthing.brain.check.guard import Guardrails
from farthing.brain.ports import CatalogPort, Models, Prices, Tokens
from farthing.brain.quality import judging
from farthing.config import Config
from farthing.core.call import Call
from farthing.core.conversation import Answer, Part, Text, ToolCall, ToolResult
from farthing.core.errors import GuardrailBlocked, Upstream, UpstreamRefused
from farthing.core.exchange import Target
from farthing.core.money import ZERO_USD
from farthing.core.request import Dialect, Inbound, Peek, Turn
from farthing.core.usage import Rate, Usage
from farthing.wire.dialects import LANGUAGES, translate_request
from farthing.wire.patch import patch

_encode = msgspec.json.encode
_PROMPT_BYTES = 1500  # of the judge's task around what it judges
_BYTES_PER_TOKEN = 4


class Tools(msgspec.Struct, frozen=True):
    """What one configuration asks with; `adopt` of the desk replaces it as a whole."""

    config: Config
    catalog: CatalogPort
    prices: Prices
    guardrails: Guardrails
    judge: Target


def told(inbound: Inbound) -> Peek:
    """The request as a judge can follow it: where tools were at work, with what was called and what came back, in every dialect."""
    if not inbound.peek.has_tools or inbound.dialect not in LANGUAGES:
        return inbound.peek
    said = LANGUAGES[inbound.dialect].parse_request(inbound.body)
    turns = [Turn("system", text) for text in said.system]
    turns += [Turn(message.role, "\n".join(_part(part) for part in message.parts)) for message in said.messages]
    return msgspec.structs.replace(inbound.peek, turns=tuple(turns))


def _part(part: Part) -> str:
    match part:
        case Text():
            return part.text
        case ToolCall():
            return f"[calls {part.name}: {part.arguments}]"
        case ToolResult():
            return f"[result: {' '.join(one.text for one in part.content if isinstance(one, Text))}]"
        case _:
            return ""


class Bill:
    """What the calls of one case came to. A call that broke after it had begun to answer costs nobody knows what."""

    def __init__(self) -> None:
        self.known_usd = ZERO_USD
        self.unknown_usd = ZERO_USD  # the quotes of such calls
        self.unknown = False

    @property
    def cost_usd(self) -> Decimal | None:
        return None if self.unknown else self.known_usd

    @property
    def booked_usd(self) -> Decimal:
        """What the budget keeps: the unknown at the most that it could be."""
        return self.known_usd + self.unknown_usd


class Asker:
    """Makes the calls of cases, and says beforehand what they may cost."""

    def __init__(self, tools: Tools, models: Models, tokens: Tokens, no_temperature: set[Target]) -> None:
        self._tools = tools
        self._models = models
        self._tokens = tokens
        self._no_temperature = no_temperature  # judges that refuse to be told one

    def question_quote(self, inbound: Inbound, target: Target) -> Decimal | None:
        """Most that the caller's request costs there; `None` where the model has no known price."""
        rate = self._rate(target)
        return None if rate is None else self._price(rate, self._input_tokens(inbound), self._most(inbound, target))

    def judge_quote(self, inbound: Inbound, answer: str, other: Target) -> Decimal | None:
        """Most that both readings cost, however long the other answer turns out to be."""
        rate = self._rate(self._tools.judge)
        if rate is None:
            return None
        longest = self._tokens.estimate(2 * judging.MOST_CHARS)
        answers = min(self._tokens.estimate(len(answer.encode("utf-8", "replace"))), longest) + min(self._most(inbound, other), longest)
        request = min(self._input_tokens(inbound), longest)
        return 2 * self._price(rate, request + answers + _PROMPT_BYTES // _BYTES_PER_TOKEN, judging.GRADES_TOKENS)

    async def question(self, inbound: Inbound, target: Target, bill: Bill, *, deadline_s: float) -> Answer:
        """The caller's request, answered whole by another model. Raises `Upstream`, `UnsupportedFeature` or `GuardrailBlocked`."""
        dialect, body = self._body(inbound, target)
        call = Call(target.service, target.model, dialect, body, False, deadline_s, inbound.request_id, inbound.forward_headers)
        return await self._send(call, target, bill, self.question_quote(inbound, target), self._input_tokens(inbound))

    async def reading(self, inbound: Inbound, first: str, second: str, bill: Bill, *, deadline_s: float) -> judging.Reading | None:
        """The judge's grades of two answers in this order; `None` when it gave none."""
        judge = self._tools.judge
        text = self._clean(judging.prompt(inbound.request_id, told(inbound), first, second))
        try:
            answer = await self._grade(text, inbound.request_id, bill, deadline_s)
        except UpstreamRefused as refusal:
            # Models that reason take no temperature. They say so once, and are asked without from then on.
            if judge in self._no_temperature or refusal.status != 400 or b"temperature" not in refusal.body:
                raise
            self._no_temperature.add(judge)
            answer = await self._grade(text, inbound.request_id, bill, deadline_s)
        return judging.read(answer.text)

    async def _grade(self, text: str, request_id: str, bill: Bill, deadline_s: float) -> Answer:
        judge = self._tools.judge
        limit = limit_field(self._tools.config, judge.service, Dialect.CHAT, b"")
        steady = {} if judge in self._no_temperature else {"temperature": 0}
        body = _encode({"model": judge.model, "messages": [{"role": "user", "content": text}], limit: judging.GRADES_TOKENS, **steady})
        dialect = Dialect.CHAT
        if Dialect.CHAT not in self._models.dialects(judge.service):
            dialect = Dialect.MESSAGES
            body = translate_request(Dialect.CHAT, dialect, body, model=judge.model, stream=False)
        input_tokens = self._tokens.estimate(len(text.encode("utf-8", "replace")))
        rate = self._rate(judge)
        quoted = None if rate is None else self._price(rate, input_tokens, judging.GRADES_TOKENS)
        call = Call(judge.service, judge.model, dialect, body, False, deadline_s, request_id)
        return await self._send(call, judge, bill, quoted, input_tokens)

    async def _send(self, call: Call, target: Target, bill: Bill, quoted_usd: Decimal | None, input_tokens: int) -> Answer:
        reply = await self._models.send(call)
        bill.unknown_usd += quoted_usd or ZERO_USD
        try:
            answer = LANGUAGES[call.dialect].parse_answer(await reply.read())
        except Upstream:
            bill.unknown = True
            raise
        finally:
            reply.close()
        bill.unknown_usd -= quoted_usd or ZERO_USD
        usage = answer.usage or Usage(input_tokens, self._tokens.estimate(len(answer.text.encode("utf-8", "replace"))), estimated=True)
        rate = self._rate(target)
        if rate is None:
            bill.unknown = True
        else:
            bill.known_usd += rate.price(usage)
        return answer

    def _body(self, inbound: Inbound, target: Target) -> tuple[Dialect, bytes]:
        """The caller's body for this model: cleaned, whole, within its output limit."""
        spoken, body, dialect = self._models.dialects(target.service), inbound.body, inbound.dialect
        if self._tools.guardrails.active("input"):
            body = self._tools.guardrails.clean_body(body)
        limit = limit_field(self._tools.config, target.service if dialect in spoken else "", dialect, body)
        body = patch(body, {limit: _encode(self._most(inbound, target))})
        if dialect in spoken:
            changes: dict[str, bytes | None] = {"model": _encode(target.model)}
            if inbound.peek.stream:
                changes |= {"stream": b"false", "stream_options": None}
            return dialect, patch(body, changes)
        other = Dialect.CHAT if Dialect.CHAT in spoken else Dialect.MESSAGES
        return other, translate_request(dialect, other, body, model=target.model, stream=False)

    def _clean(self, text: str) -> str:
        if not self._tools.guardrails.active("input"):
            return text
        found = self._tools.guardrails.inspect(text, "input")
        if found.blocked_by is not None:
            raise GuardrailBlocked(f"Not judged: guardrail '{found.blocked_by}' keeps it from leaving.")
        return found.text

    def _rate(self, target: Target) -> Rate | None:
        return self._tools.prices.rate(target.service, target.model)

    def _most(self, inbound: Inbound, target: Target) -> int:
        return max_output_tokens(inbound, self._tools.config, target)

    def _input_tokens(self, inbound: Inbound) -> int:
        estimate = self._tokens.estimate(inbound.peek.text_bytes) + 3 * (len(inbound.peek.turns) + 1)
        return estimate + estimate * INPUT_MARGIN_PERCENT // 100

    @staticmethod
    def _price(rate: Rate, input_tokens: int, output_tokens: int) -> Decimal:
        return rate.price(Usage(input_tokens, output_tokens))
