"""The examples of `examples/flows`: each as a flow, and as the plain agent that it stands in for, on the same recorded answers.

`NAME.recordings.jsonl` holds the answers of both sides, one line a model call, in the gateway's own format for recordings; `examples/record.py`
writes it. Each line says where it comes from: a model and a day, or "by hand". Those that come with Farthing were written by hand (the `agent` and
`flow` of a case), because no model could be reached where they were made: they say what is asked of whom and what that weighs, not how well a model
answers, and their times are an assumption.
The agent is the usual loop: the whole conversation goes to the model at every turn, it replies with a tool to call or with the answer. Both sides go
through the gateway's own journey, cache off, to the same cheap model, and are graded by the same words. Documents are looked up for real: they are
taken into a store, embedded and searched as by `farthing docs add` and `serve`; `finds` of a case must be in what the model is shown. The time of
that (15 ms) is not on the frozen clock.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from tests.brain.world import FakeBook, FakeCaller

from farthing.assemble import build_house
from farthing.brain.cache import CacheLever
from farthing.brain.flow import journey
from farthing.brain.flows import FlowResult, Plans, Tools, run_flow
from farthing.brain.house import House
from farthing.config import Config, Service, Store
from farthing.core.call import Call, Reply
from farthing.core.clock import FrozenClock
from farthing.core.exchange import Exchange, Target
from farthing.core.request import Dialect, Inbound, Principal
from farthing.core.web import WebReply, WebRequest
from farthing.lab.ingest.opened import open_retriever
from farthing.lab.ingest.run import Ingest
from farthing.models.embed import shipped
from farthing.models.recorded import RecordedBackend
from farthing.models.recorder import Asked
from farthing.models.recordings import Recording
from farthing.models.tokens import TokenCounter
from farthing.settings import load
from farthing.stores.sqlite.documents import Documents
from farthing.wire.peek import peek

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "flows"
NAMES = ("faq", "form", "triage")
FIRST_TOKEN_S, PER_TOKEN_S = 0.4, 0.012  # of answers by hand: an assumption, the same for both sides
MOST_TURNS = 8  # of an agent that finds no end
MODEL = "gpt-4o-mini"
TOOLS = "You are a helpful agent of a shop. Reply with CALL and a tool, or with ANSWER and the answer. Tools: {}."
AGENT_TOOLS = {
    "faq": "search WORDS (names of documents), open NAME (a document)",
    "form": "check FIELDS (whether a refund form is complete: order, amount, email, reason)",
    "triage": "queue NAME (legal, security, billing, technical, people), urgency LEVEL, customer ID (their record)",
}


class Case(msgspec.Struct):
    """One line of a cases file. `expect` are words of a right answer; `agent` and `flow`, by hand, what a model might say, call by call."""

    text: str
    agent: list[str]
    flow: list[str]
    expect: list[str]
    input: dict[str, Any] = {}
    web: dict[str, Any] = {}
    finds: list[str] = []  # what the documents say to it, word for word


class Side(msgspec.Struct):
    """What one side took for one case."""

    answer: str
    calls: int
    cost_usd: Decimal
    latency_s: float
    tokens: list[tuple[int, int]]
    shown: str = ""  # all that the model was shown

    def found(self, case: Case) -> bool:
        """Whether the model was shown what the answer needs."""
        return all(words in self.shown for words in case.finds)

    def right(self, case: Case) -> bool:
        return all(word in self.answer.casefold() for word in case.expect)


class _Reply:
    content_type, service_request_id, attempts, queue_s, price_factor = "application/json", None, 1, 0.0, None

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self) -> bytes:
        return self._body

    def close(self) -> None: ...


class Lone:
    """What else `ports.Models` wants to know of the one service that there is."""

    def dialects(self, service: str) -> frozenset[Dialect]:
        del service
        return frozenset({Dialect.CHAT})

    def crowd(self, target: Target) -> float:
        del target
        return 0.0

    def healthy(self, target: Target) -> bool:
        del target
        return True


class ByHand(Lone):
    """Says the given answers in order, and takes its time on the frozen clock. A call too many is an error."""

    def __init__(self, said: list[str], clock: FrozenClock, tokens: TokenCounter) -> None:
        self._said, self._clock, self._tokens = list(said), clock, tokens

    async def send(self, call: Call) -> _Reply:
        text = self._said.pop(0)
        asked = json.loads(call.body)["messages"]
        weight = sum(self._tokens.count(turn["content"], MODEL) + 4 for turn in asked) + 3, self._tokens.count(text, MODEL)
        self._clock.advance(FIRST_TOKEN_S + PER_TOKEN_S * weight[1])
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": weight[0], "completion_tokens": weight[1], "total_tokens": sum(weight)}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
        return _Reply(json.dumps(answer).encode())

    @property
    def left(self) -> int:
        return len(self._said)


class Played(Lone):
    """The recorded answers of one example, in their recorded time."""

    def __init__(self, name: str, clock: FrozenClock, tokens: TokenCounter, path: Path | None = None) -> None:
        service = Service(dialect="recorded", recordings=(str(path or recordings(name)),), playback="timed")

        async def pause(seconds: float) -> None:
            clock.advance(seconds)

        self._backend = RecordedBackend(service, clock=clock, tokens=tokens, pause=pause)

    async def send(self, call: Call) -> Reply:
        return await self._backend.send(call)


class Watched(Lone):
    """Fulfils `ports.Models` by another that does, and keeps what was shown and what it weighed."""

    def __init__(self, models: Asked) -> None:
        self._models = models
        self.weights: list[tuple[int, int]] = []
        self.shown = ""

    async def send(self, call: Call) -> Reply:
        reply = await self._models.send(call)
        body = await reply.read()
        self.shown += "\n".join(turn["content"] for turn in json.loads(call.body)["messages"])
        usage = json.loads(body)["usage"]
        self.weights.append((usage["prompt_tokens"], usage["completion_tokens"]))
        return _Reply(body)


def recordings(name: str) -> Path:
    return FOLDER / f"{name}.recordings.jsonl"


def sources(name: str) -> list[str]:
    """Where the recorded answers of an example come from."""
    lines = recordings(name).read_text().splitlines()
    return sorted({msgspec.json.decode(line, type=Recording).source or "unknown" for line in lines})


def cases(name: str) -> Iterator[Case]:
    for line in (FOLDER / f"{name}.cases.jsonl").read_text().splitlines():
        yield msgspec.json.decode(line, type=Case)


def configuration(name: str) -> Config:
    """The example's own file, with a cheap and an expensive model beside it."""
    config = load(FOLDER / f"{name}.toml", {"OPENAI_API_KEY": "x"}).config
    return msgspec.structs.replace(config, cache=msgspec.structs.replace(config.cache, enabled=False))


@lru_cache(maxsize=4)
def _store(name: str) -> TemporaryDirectory[str]:
    """The example's documents, taken in once; gone when Python ends."""
    folder, config = TemporaryDirectory(), configuration(name)
    documents = Documents(Store(path=f"{folder.name}/documents.db"))
    collection = config.flows[name].collection
    assert collection is not None
    ingest = Ingest(documents, shipped(), config.retrieve, tenant="acme", collection=collection)
    report = ingest.add([FOLDER / f"{name}.docs"])
    documents.close()
    assert report.added > 0
    return folder


def with_documents(name: str, config: Config) -> Config:
    return msgspec.structs.replace(config, store=Store(path=f"{_store(name).name}/documents.db"))


MakeModels = Callable[[FrozenClock, TokenCounter], Asked]


class Stage:
    """One configuration with recorded answers, or what answers in their place, instead of services."""

    def __init__(self, name: str, case: Case, tokens: TokenCounter, models: MakeModels | None = None) -> None:
        self.name, self.case = name, case
        self.clock = FrozenClock()
        config = configuration(name)
        self.models = Watched(Played(name, self.clock, tokens) if models is None else models(self.clock, tokens))
        self.book = FakeBook([])
        self.retriever = open_retriever(with_documents(name, config), tokens) if config.flows[name].collection else None
        cache = CacheLever(config.cache)
        self.house: House = build_house(
            config, clock=self.clock, book=self.book, models=self.models, tokens=tokens, cache=cache, retriever=self.retriever
        )
        self.config = config

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        if self.retriever is not None:
            self.retriever.close()

    def exchange(self, body: dict[str, Any], number: int) -> Exchange:
        raw = json.dumps(body).encode()
        view = peek(Dialect.CHAT, raw, json_depth=64, max_messages=100)
        who, now = Principal(None, "acme", "admin"), self.clock.monotonic()
        return Exchange(
            Inbound(f"req_{number}", Dialect.CHAT, raw, view, who, now, self.clock.now(), endpoint=self.name, run_id="run", tenant="acme")
        )

    async def fetch(self, asked: WebRequest) -> WebReply:
        found = self.case.web.get(asked.target)
        return WebReply(404 if found is None else 200, "application/json", json.dumps(found).encode())

    def side(self, answer: str, since_s: float) -> Side:
        paid = sum(row.cost_picousd or 0 for row in self.book.rows)
        took_s = self.clock.monotonic() - since_s
        return Side(answer, len(self.models.weights), Decimal(paid) / 10**12, took_s, self.models.weights, self.models.shown)


async def as_flow(name: str, case: Case, tokens: TokenCounter, models: MakeModels | None = None) -> tuple[Side, FlowResult]:
    with Stage(name, case, tokens, models) as stage:
        plan = Plans(stage.config.flows).get(name)
        assert plan is not None
        x = stage.exchange({"model": f"flow/{name}", "messages": [{"role": "user", "content": case.text}]}, 0)
        since_s = stage.clock.monotonic()
        result = await run_flow(plan, x, case.input, stage.house, FakeCaller([]), Tools(stage.fetch, {}))
        return stage.side(result.answer or "", since_s), result


async def as_agent(name: str, case: Case, tokens: TokenCounter, models: MakeModels | None = None) -> Side:
    """The loop that frameworks run: ask, do what was said, ask again with all that was said before."""
    turns = [{"role": "system", "content": TOOLS.format(AGENT_TOOLS[name])}, {"role": "user", "content": f"{case.text} {case.input or ''}".strip()}]
    with Stage(name, case, tokens, models) as stage:
        since_s, said = stage.clock.monotonic(), ""
        for number in range(MOST_TURNS):
            caller = FakeCaller([])
            await journey(stage.exchange({"model": MODEL, "messages": turns, "temperature": 0}, number), stage.house, caller)
            said = _content(caller.body)
            if not said.startswith("CALL "):
                break
            turns += [{"role": "assistant", "content": said}, {"role": "user", "content": f"RESULT {_tool(stage, said)}"}]
        return stage.side(said.removeprefix("ANSWER "), since_s)


def _content(body: bytes) -> str:
    answer = json.loads(body)
    if "choices" not in answer:
        raise RuntimeError(answer["error"]["message"])
    return answer["choices"][0]["message"]["content"]


def _tool(stage: Stage, said: str) -> str:
    """What the agent's tools say: the same documents and records that the flow has."""
    _, tool, words = [*said.split(" ", 2), ""][:3]
    if tool == "open":
        path = FOLDER / f"{stage.name}.docs" / f"{words}.md"
        return path.read_text() if path.is_file() else "We are open from 9 to 17, Monday to Friday."
    if tool == "search":
        return ", ".join(sorted(path.stem for path in (FOLDER / f"{stage.name}.docs").glob("*.md")))
    if tool == "customer":
        return json.dumps(stage.case.web.get(f"/customers/{words}", "not found"))
    if tool == "check":
        missing = [field for field in ("order", "amount", "email", "reason") if f"{field}=" not in words]
        return f"missing: {', '.join(missing)}" if missing else "complete"
    return "noted"


def compare(name: str) -> list[tuple[Case, Side, Side]]:
    """Each case with the agent's side and the flow's."""
    tokens = TokenCounter()

    async def main() -> list[tuple[Case, Side, Side]]:
        return [(case, await as_agent(name, case, tokens), (await as_flow(name, case, tokens))[0]) for case in cases(name)]

    return asyncio.run(main())
