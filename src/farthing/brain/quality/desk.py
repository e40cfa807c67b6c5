"""The desk: settled answers that were drawn come here, wait their turn, are judged, and teach the watch.

Bounded in what waits, in what runs at once, and in money: the most that a case may cost is booked on the day's meter, in the same
transaction as its row, before the first call. When the gateway stops, what waits is let go; what runs gets the time that is left, and a call that
is cut off stays on its row at its quote, marked `open`.
"""

import asyncio
import logging
from collections import deque
from decimal import Decimal

from farthing.brain.cap.windows import day
from farthing.brain.check.schema import check_answer
from farthing.brain.ports import Models, Tokens
from farthing.brain.quality import calls, judging
from farthing.brain.quality import floor as floors
from farthing.brain.quality.asking import Asker, Bill, Tools
from farthing.brain.quality.base import Case, Dropped, Ear, Learn, Shelf
from farthing.brain.quality.calls import Said
from farthing.brain.quality.cases import case_of
from farthing.brain.quality.judging import Verdict
from farthing.brain.quality.watch import Watch
from farthing.core.clock import Clock
from farthing.core.errors import FarthingError, StoreUnavailable, UpstreamTimeout
from farthing.core.exchange import Exchange, Target
from farthing.core.judgement import Guarded, Judgement
from farthing.core.ledger import Hold, LedgerRow, Refusal, Release
from farthing.core.money import to_picousd

__all__ = ["Desk", "Tools"]

log = logging.getLogger("farthing.quality")

OPEN = "open"  # label of a row whose case is not closed


class Desk:
    """A listener of the brain, one for each worker. Outlives reloads; without `Tools` it takes nothing."""

    def __init__(self, *, models: Models, tokens: Tokens, shelf: Shelf, ear: Ear, watch: Watch, clock: Clock) -> None:
        self._models = models
        self._tokens = tokens
        self._shelf = shelf
        self._ear = ear
        self._watch = watch
        self._clock = clock
        self._tools: Tools | None = None
        self._waiting: deque[Case] = deque()
        self._clerks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._no_temperature: set[Target] = set()

    def adopt(self, tools: Tools | None) -> None:
        """Another configuration; `None`: nothing is judged any more. Cases that run end as they began."""
        self._tools = tools
        if tools is None:
            self._waiting.clear()

    def settled(self, exchange: Exchange, row: LedgerRow) -> None:
        """Take the case of a request that was drawn, if there is room. Returns at once; the work begins after the reply."""
        if row.sampled is None or self._tools is None:
            return
        case = case_of(exchange, row, self._tools.catalog, self._tools.judge)
        if case is None:
            return
        if self._stopping or len(self._waiting) >= self._tools.config.quality.waiting:
            self._drop("stopped" if self._stopping else "full")
            return
        self._waiting.append(case)
        if len(self._clerks) < self._tools.config.quality.at_once:
            clerk = asyncio.get_running_loop().create_task(self._serve(), name="farthing-quality")
            self._clerks.add(clerk)
            clerk.add_done_callback(self._clerks.discard)

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._clerks

    def stop_taking(self) -> None:
        """The gateway drains: what waits is let go, what runs goes on."""
        self._stopping = True
        while self._waiting:
            self._waiting.pop()
            self._drop("stopped")

    async def close(self, within_s: float) -> None:
        """Let what runs end within this time, then cut it off."""
        self.stop_taking()
        if not self._clerks:
            return
        _, late = await asyncio.wait(set(self._clerks), timeout=within_s)
        for clerk in late:
            clerk.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self) -> None:
        while self._waiting and self._tools is not None:
            case = self._waiting.popleft()
            try:
                await self._judge(case, self._tools)
            except asyncio.CancelledError:
                self._drop("stopped")
                raise
            except StoreUnavailable as error:
                self._drop("store", case, error)
            except Exception as fault:  # like the lever runner: a fault in judging costs a verdict, never a worker
                self._drop("failed")
                log.error("judging request %s failed: %s", case.inbound.request_id, type(fault).__name__, exc_info=fault)

    async def _judge(self, case: Case, tools: Tools) -> None:
        asker = Asker(tools, self._models, self._tokens, self._no_temperature)
        quote = _quote(case, asker)
        if quote is None:
            self._drop("price_unknown", case)
            return
        hold = self._hold(tools, quote)
        opened = self._judgement(case, None, OPEN, hold.amount, None)
        row = await self._shelf.begin(opened, hold)
        if isinstance(row, Refusal):
            self._drop("budget", case)
            return
        bill = Bill()
        verdict: Verdict | None = None
        reason: Dropped | None = None
        try:
            verdict = await self._verdict(case, asker, bill, self._clock.monotonic() + tools.config.quality.timeout_s)
            reason = "unreadable" if verdict is None else None
        except FarthingError as error:
            reason = "not_askable" if error.status == 400 else "failed"
            log.info("request %s was not judged: %s: %s", case.inbound.request_id, error.code, error.message)
        await self._close(case, tools, row, hold, bill, verdict, reason)

    async def _close(self, case: Case, tools: Tools, row: int, hold: Hold, bill: Bill, verdict: Verdict | None, reason: Dropped | None) -> None:
        cost = None if bill.cost_usd is None else to_picousd(bill.cost_usd)
        label = reason if verdict is None else verdict.label
        judge = f"{tools.judge.service}/{tools.judge.model}"
        judgement = self._judgement(case, verdict, label, cost, judge if verdict is not None and verdict.label in judging.BY_JUDGE else None)
        release = Release(hold.meter, 0, to_picousd(bill.booked_usd) - hold.amount)
        turns = await self._shelf.end(row, judgement, release, self._lesson(case, tools, verdict))
        self._ear.judged(
            endpoint=case.inbound.endpoint, tier=case.tier, cache=case.cache, source=case.purpose, score=judgement.score,
            reference_score=judgement.reference_score, cost_picousd=cost, lever=case.lever,
        )  # fmt: skip
        if reason is not None:
            self._drop(reason, case)
        if turns:
            self._watch.tell(turns)
            self._watch.refresh()

    async def _verdict(self, case: Case, asker: Asker, bill: Bill, deadline_s: float) -> Verdict | None:
        """Ask the other tier, hold both answers to the schema if there is one, ask the judge twice. `None`: it gave no grades. Answers that
        want tools run take no judge: the reference's model is asked a second time."""
        async with asyncio.timeout(deadline_s - self._clock.monotonic()) as limit:
            try:
                other = Said.of(await asker.question(case.inbound, case.other, bill, deadline_s=deadline_s))
                tested, reference = (other, case.answer) if case.tested_is_other else (case.answer, other)
                if (settled := _settled_without(case, tested, reference)) is not None:
                    return settled
                if tested.calls or reference.calls:
                    again = await asker.question(case.inbound, _reference(case), bill, deadline_s=deadline_s)
                    return calls.vote(tested, reference, Said.of(again))
                one = await asker.reading(case.inbound, tested.text, reference.text, bill, deadline_s=deadline_s)
                two = await asker.reading(case.inbound, reference.text, tested.text, bill, deadline_s=deadline_s)
            except asyncio.CancelledError:
                if limit.expired():
                    bill.unknown = bill.unknown or bill.unknown_usd > 0
                    raise UpstreamTimeout("Judging took longer than `quality.timeout_s`.") from None
                raise
        return None if one is None or two is None else judging.verdict(one, two)

    def _lesson(self, case: Case, tools: Tools, verdict: Verdict | None) -> tuple[str, Guarded, Learn] | None:
        """What this verdict is evidence on, and what to make of it there."""
        floor = self._watch.floor(case.inbound.endpoint)
        if verdict is None or floor is None or case.guarded is None:
            return None
        endpoint, lever = self._watch.name(case.inbound.endpoint), case.guarded
        pair, rules, now = (verdict.score, verdict.reference_score), tools.config.quality, self._clock.now()
        return endpoint, lever, lambda stance: floors.learn(stance, endpoint, lever, pair, floor, rules, now)

    def _hold(self, tools: Tools, amount_usd: Decimal) -> Hold:
        label, ends = day(self._clock.now())
        limit = to_picousd(Decimal(str(tools.config.quality.daily_usd)))
        return Hold(f"quality:usd:{label}", "budget", to_picousd(amount_usd), limit, "the quality guard", "day", ends, "quality.daily_usd")

    def _judgement(self, case: Case, verdict: Verdict | None, label: str | None, cost_picousd: int | None, judge: str | None) -> Judgement:
        return Judgement(
            request_id=case.inbound.request_id,
            judged_at=self._clock.now(),
            source=case.purpose,
            score=None if verdict is None else verdict.score,
            reference_score=None if verdict is None else verdict.reference_score,
            label=label,
            judge_model=judge,
            cost_picousd=cost_picousd,
            lever=case.lever,
            tenant=case.tenant,
            endpoint=case.inbound.endpoint,
            model_tier=case.tier,
            cache=case.cache,
            experiment=case.inbound.experiment,
        )

    def _drop(self, reason: Dropped, case: Case | None = None, error: FarthingError | None = None) -> None:
        self._ear.unjudged(reason)
        if error is not None and case is not None:
            log.error("request %s was not judged: %s", case.inbound.request_id, error.message)


def _reference(case: Case) -> Target:
    """Who gave the answer that the other one is held against."""
    return case.served if case.tested_is_other else case.other


def _quote(case: Case, asker: Asker) -> Decimal | None:
    """Most that the case can cost, whichever way it is decided; `None` where a model has no known price."""
    question, judge = asker.question_quote(case.inbound, case.other), asker.judge_quote(case.inbound, case.answer.text, case.other)
    if question is None or judge is None:
        return None
    if not case.inbound.peek.has_tools:
        return question + judge
    again = asker.question_quote(case.inbound, _reference(case))
    return None if again is None else question + max(judge, again)


def _settled_without(case: Case, tested: Said, reference: Said) -> Verdict | None:
    """A verdict that takes no judge: the same words or calls, or one of them breaks the schema of the request."""
    if tested.calls or reference.calls:
        return calls.same(tested, reference)
    schema = case.inbound.peek.answer_schema
    if schema is not None:
        valid = [check_answer(schema, said.text, complete=True).ok for said in (tested, reference)]
        if valid == [False, True]:
            return judging.INVALID
        if valid == [True, False]:
            return judging.REFERENCE_INVALID
    return judging.TIE if tested.text.strip() == reference.text.strip() else None
