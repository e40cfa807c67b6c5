"""Record what a model says in the worked examples of `examples/flows`: as the flow, and as the plain agent beside it.

    python examples/record.py --model gpt-4o-mini                                  # OpenAI, key in OPENAI_API_KEY
    python examples/record.py faq --model qwen3 --base-url http://127.0.0.1:8081/v1 --key-env NONE
    python examples/record.py --by-hand                                            # anew from the cases' own answers, at an assumed pace

Writes `examples/flows/NAME.recordings.jsonl`, which `bench/flows.py` and the tests play back, and prints how each side is graded. The model is asked
for real and paid for: some 80 small calls in all. Anything that speaks OpenAI's chat dialect will do. What goes wrong leaves the file as it was.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._flow_examples import FIRST_TOKEN_S, NAMES, PER_TOKEN_S, ByHand, Lone, MakeModels, as_agent, as_flow, cases, recordings  # noqa: E402

from farthing.config import Config, Service  # noqa: E402
from farthing.core.call import Call, Reply  # noqa: E402
from farthing.core.clock import FrozenClock, SystemClock  # noqa: E402
from farthing.core.errors import FarthingError  # noqa: E402
from farthing.models.hub import Hub  # noqa: E402
from farthing.models.recorder import Recorder  # noqa: E402
from farthing.models.recordings import Recording  # noqa: E402
from farthing.models.tokens import TokenCounter  # noqa: E402
from farthing.wire.patch import patch  # noqa: E402

BY_HAND = f"by hand, at {FIRST_TOKEN_S} s to the first token and {PER_TOKEN_S} s for each"


class Upstream(Lone):
    """One model at one address, whatever model is named. Times are real; the stage's own clock stands still meanwhile."""

    def __init__(self, base_url: str, model: str, key_env: str) -> None:
        self._model = model
        service = Service(base_url=base_url, api_key_env=key_env)
        environ = {key_env: "none", **os.environ} if key_env == "NONE" else os.environ
        self._clock = SystemClock()
        self.error: FarthingError | None = None  # a flow goes on without a step that failed; a recording must not
        self._hub = Hub(Config(services={"upstream": service}), clock=self._clock, environ=environ)

    async def send(self, call: Call) -> Reply:
        body = patch(call.body, {"model": msgspec.json.encode(self._model)})
        deadline_s = self._clock.monotonic() + 120.0
        try:
            return await self._hub.send(msgspec.structs.replace(call, service="upstream", model=self._model, body=body, deadline_s=deadline_s))
        except FarthingError as error:
            self.error = error
            raise

    async def close(self) -> None:
        await self._hub.close()


async def record(name: str, upstream: Upstream | None, source: str) -> list[Recording]:
    """Both sides of every case. `upstream` is asked; `None`: the cases' own answers."""
    tokens, lines = TokenCounter(), list[Recording]()
    for case in cases(name):

        def models(said: list[str]) -> MakeModels:
            def make(clock: FrozenClock, tokens: TokenCounter) -> Recorder:
                if upstream is None:
                    return Recorder(ByHand(said, clock, tokens), clock, lines.append, source=source)
                return Recorder(upstream, SystemClock(), lines.append, source=source)

            return make

        agent = await as_agent(name, case, tokens, models(case.agent))
        flow, _ = await as_flow(name, case, tokens, models(case.flow))
        if upstream is not None and upstream.error is not None:
            raise upstream.error
        graded = " ".join(f"{side} {'right' if made.right(case) else 'WRONG'} in {made.calls}" for side, made in (("agent", agent), ("flow", flow)))
        print(f"{name}: {graded} calls: {case.text[:60]}")
    return [msgspec.structs.replace(line, model="gpt-4o-mini") for line in lines]


def write(path: Path, lines: Sequence[Recording]) -> None:
    """Each exchange once; the file is replaced as a whole."""
    once = dict.fromkeys(msgspec.json.encode(line).decode() for line in lines)
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(f"{line}\n" for line in once))
    fresh.replace(path)


async def run(names: Sequence[str], upstream: Upstream | None, source: str, folder: Path | None) -> None:
    try:
        for name in names:
            lines = await record(name, upstream, source)
            path = recordings(name) if folder is None else folder / recordings(name).name
            write(path, lines)
            print(f"{path}: {len(lines)} exchanges, {source}")
    finally:
        if upstream is not None:
            await upstream.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"examples: {', '.join(NAMES)}; none: all")
    parser.add_argument("--model", help="the model to ask")
    parser.add_argument("--base-url", default="https://api.openai.com/v1")
    parser.add_argument("--key-env", default="OPENAI_API_KEY", help="environment variable with the key; NONE: the service wants none")
    parser.add_argument("--by-hand", action="store_true", help="write the cases' own answers, which no model gave")
    parser.add_argument("--to", type=Path, help="folder for the recordings; default: beside the examples")
    wanted = parser.parse_args(arguments)
    names = wanted.names or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no example '{unknown[0]}'; there are {', '.join(NAMES)}")
    if (wanted.model is None) != wanted.by_hand:
        parser.error("name a --model to ask, or say --by-hand")
    upstream = None if wanted.by_hand else Upstream(wanted.base_url, wanted.model, wanted.key_env)
    source = BY_HAND if wanted.by_hand else f"{wanted.model} at {wanted.base_url}, {datetime.now(UTC):%Y-%m-%d}"
    try:
        asyncio.run(run(names, upstream, source, wanted.to))
    except (FarthingError, RuntimeError) as error:
        print(f"Not recorded: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the example at hand was not written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
