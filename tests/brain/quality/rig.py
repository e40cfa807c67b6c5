"""A desk with a memory instead of a store, and a world around it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from farthing.assemble import judging_tools
from farthing.brain.flow import journey
from farthing.brain.quality import Desk, Watch
from farthing.core.errors import Upstream
from farthing.core.judgement import Guarded, Judgement, Stance, Turn
from farthing.core.ledger import Hold, Refusal, Release
from tests.brain.world import World

CHEAP = {"model": "farthing/auto", "temperature": 0, "messages": [{"role": "user", "content": "What is a farthing?"}]}


class MemoryShelf:
    """Verdicts and stances as the store keeps them; `most` is what the day's budget holds."""

    def __init__(self) -> None:
        self.rows: list[Judgement] = []
        self.spent = 0
        self.known: dict[tuple[str, Guarded], Stance] = {}
        self.turns: list[Turn] = []
        self.holds: list[Hold] = []

    async def begin(self, judgement: Judgement, hold: Hold) -> int | Refusal:
        self.holds.append(hold)
        if self.spent + hold.amount > hold.limit:
            return Refusal(hold, self.spent, 0)
        self.spent += hold.amount
        self.rows.append(judgement)
        return len(self.rows) - 1

    async def end(self, row: int, judgement: Judgement, release: Release, learn: Any = None) -> tuple[Turn, ...]:
        self.spent += release.used
        self.rows[row] = judgement
        if learn is None:
            return ()
        endpoint, lever, make = learn
        self.known[endpoint, lever], turns = make(self.known.get((endpoint, lever), Stance()))
        self.turns += turns
        return turns

    def version(self) -> int:
        return len(self.turns)

    def stances(self) -> dict[tuple[str, Guarded], Stance]:
        return dict(self.known)


class Ears:
    def __init__(self) -> None:
        self.verdicts: list[dict[str, Any]] = []
        self.unjudged_for: list[str] = []
        self.guarded_as: list[tuple[str, str, bool]] = []

    def judged(self, **said: Any) -> None:
        self.verdicts.append(said)

    def unjudged(self, reason: str) -> None:
        self.unjudged_for.append(reason)

    def guarded(self, endpoint: str, lever: str, *, lowered: bool) -> None:
        self.guarded_as.append((endpoint, lever, lowered))


class Rig:
    """A world whose answers are judged. `scripts` are the models' replies in order of the calls."""

    def __init__(self, scripts: Sequence[Upstream | Sequence[bytes | Upstream]], **config: Any) -> None:
        self.world = World(scripts, **config)
        self.shelf, self.ears = MemoryShelf(), Ears()
        house = self.world.house
        self.watch = Watch(house.config, self.shelf, self.ears)
        self.desk = Desk(models=self.world.models, tokens=house.tokens, shelf=self.shelf, ear=self.ears, watch=self.watch, clock=self.world.clock)
        house.watch, house.listeners = self.watch, (self.desk,)
        self.desk.adopt(judging_tools(house))

    async def ask(self, body: dict[str, Any] | None = None, **fields: Any) -> Any:
        x = self.world.exchange(json.dumps(CHEAP | (body or {})).encode(), **fields)
        caller = self.world.caller()
        await journey(x, self.world.house, caller)
        return x

    async def settle(self) -> None:
        """Until the desk has nothing more to do."""
        while not self.desk.idle:
            await asyncio.sleep(0)

    def serve(self, *bodies: dict[str, Any], **fields: Any) -> list[Any]:
        """Ask one after the other, judging in between."""

        async def main() -> list[Any]:
            served = []
            for body in bodies or ({},):
                served.append(await self.ask(body, **fields))
                await self.settle()
            return served

        return asyncio.run(main())


def said(text: str, *, model: str = "big", usage: tuple[int, int] | None = (10, 5)) -> list[bytes]:
    """A whole chat answer."""
    answer: dict[str, Any] = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }
    if usage is not None:
        answer["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return [json.dumps(answer).encode()]


def grades(first: float, second: float) -> list[bytes]:
    return said(json.dumps({"A": first, "B": second}), model="judge")
