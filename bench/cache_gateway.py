"""Reuse by meaning through the whole gateway: how long a hit takes with many entries, and that nothing foreign or forgotten is served.

    python bench/cache_gateway.py [--entries 100000] [--rate 50] [--seconds 30] [--probes 100000] [--steps 10000] [--skip-latency] [--scratch DIR]

An open-loop client (Poisson arrivals, latency counted from when a request was due) asks one gateway process in wordings that are in none of the
stricter lanes; embedder, verifier, certificate and ledger are the real ones. The namespace holds `--entries` keys: a few hundred questions of
twelve tokens with their answers, and vectors without neighbours for the rest, which cost a search as much. The store and the index that its first
start leaves are kept under `--scratch`; every run works on a copy.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _harness import ROOT, Figure, print_table, save

sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from tests.fakes.gateway import Gateway

    from farthing.brain.cache.semantic.entries import Label

_VERBS = "reset replace install clean mount repair calibrate paint charge label rotate seal inspect flush grease dismantle heat cool fold pack"
_NOUNS = "sensor filter pump valve lamp boiler fan hinge battery antenna gasket radiator keyboard printer scanner router shelf heater tripod camera"
VERBS, NOUNS = _VERBS.split(), _NOUNS.split()
PLACES = ("behind the kitchen wall", "in the garden shed", "on the upper deck", "under the front seat")
FORMS = ("how can i", "how could i", "how would i", "how should i")
CONFIG = """
[services.openai]
base_url = "{url}/v1"
api_key_env = "MOCK_KEY"
models = ["gpt-*"]

[tiers]
cheap = ["openai/gpt-4o-mini"]
expensive = ["openai/gpt-4o"]

[cache]
max_mb = 64

[cache.semantic]
mode = "on"
max_entries = 2000000
max_mb = 4000

[log]
level = "warning"
"""
_AT_REST_S = 3.0
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":'
    b'"Follow the leaflet."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16}}'
)


def stored() -> list[str]:
    """Questions with their answers: each verb with each thing, in one of the places, so that the other places stay unasked."""
    return [f"how do i {verb} the {noun} {PLACES[(one + other) % 4]}" for one, verb in enumerate(VERBS) for other, noun in enumerate(NOUNS)]


def asked(question: str, form: int = 0) -> str:
    """The same in other words. Each wording is asked once, because the embedder remembers its latest texts."""
    return question.replace("how do i", FORMS[form], 1)


def body(text: str) -> bytes:
    return json.dumps({"model": "gpt-4o-mini", "temperature": 0, "messages": [{"role": "user", "content": text}]}).encode()


def namespace_of(embedder_id: str) -> bytes:
    """The scope of the questions, as the gateway computes it."""
    from farthing.brain.cache.semantic.lane import SemanticLane
    from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
    from farthing.brain.cache.semantic.verifier import Verifier
    from farthing.brain.meaning import Meaning
    from farthing.config import Config, Semantic
    from farthing.core.clock import SystemClock
    from farthing.core.request import Dialect, Principal
    from farthing.edge.intake import build_inbound
    from farthing.models.embed import shipped
    from farthing.wire.question import question

    raw = body("x")
    inbound = build_inbound(
        request_id="req", dialect=Dialect.CHAT, body=raw, headers={}, principal=Principal("k", "bench"), config=Config(), started_s=0, received_at=0
    )
    found = question(Dialect.CHAT, raw)
    assert found is not None
    embedder = shipped()
    assert embedder.id == embedder_id
    return Meaning(SemanticLane(Semantic(), embedder, load_prior(SHIPPED_PRIOR), Verifier()), SystemClock()).scope(inbound, found)


def seed(path: Path, entries: int) -> None:
    """A store with a namespace of that many keys, and labels that certify it."""
    import numpy as np

    from farthing.brain.cache import Answer, Origin
    from farthing.brain.cache.semantic.entries import Entry, Kept
    from farthing.brain.lessons import Written, encode, encode_labels
    from farthing.config import Store
    from farthing.core.request import Dialect
    from farthing.models.embed import shipped
    from farthing.stores.sqlite.cachefile import CacheFile

    embedder, now = shipped(), time.time()
    questions = stored()
    vectors = embedder.embed_many(questions)
    scope = namespace_of(embedder.id)
    file = CacheFile(Store(path=str(path)))
    file.put_calibration("bench", "", embedder.id, encode_labels(tuple(labels(questions, vectors, embedder))))
    rows: list[tuple[object, ...]] = []

    def add(number: int, question: str, vector: Any) -> None:
        entry_id = f"ans_{number}"
        answer = Answer(
            Dialect.CHAT, False, ANSWER, "openai", "gpt-4o-mini", "cheap", None, None, "stop", entry_id, now, now + 1e6, None, (), Origin()
        )
        entry = Entry(entry_id, scope, "bench", "default", question, answer, "Follow the leaflet.", "somebody")
        half = vector.astype(np.float16).tobytes()
        head = (entry_id, "bench", "default", now, now + 1e6, embedder.id, half)
        rows.append((*head, encode(Written("seed", Kept(entry_id, scope, embedder.id, question, "somebody", entry=entry)))))
        if number < len(questions):  # a second answer agreed with it: it may be served to others
            alias = Kept(entry_id, scope, embedder.id, f"please tell me {question}", "another", ((entry_id, True),))
            rows.append((*head, encode(Written("seed", alias))))

    for number, (question, vector) in enumerate(zip(questions, vectors, strict=True)):
        add(number, question, vector)
    chance = np.random.default_rng(5)
    while len(rows) < entries:
        vector = chance.normal(size=vectors.shape[1]).astype(np.float32)
        add(len(rows), f"filler question {len(rows)} about thing {len(rows) * 7}", vector / np.linalg.norm(vector))
    with sqlite3.connect(path) as connection:
        columns = "entry_id, tenant, endpoint, created_at, expires_at, embedder, vector, lesson"
        connection.executemany(f"INSERT INTO semantic_keys ({columns}) VALUES (?,?,?,?,?,?,?,?)", rows[:entries])
    connection.close()
    file.close()


def labels(questions: Sequence[str], vectors: Any, embedder: Any) -> list["Label"]:
    """What a judge would have said: of asked wordings that they are right, and of questions that nobody stored that the nearest is wrong."""
    from farthing.brain.cache.semantic.context import NEIGHBOURS
    from farthing.brain.cache.semantic.entries import Label
    from farthing.brain.cache.semantic.index import VectorIndex
    from farthing.brain.cache.semantic.namespace import Namespace, Promise
    from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
    from farthing.brain.cache.semantic.verifier import Verifier

    space, index, verifier = Namespace(Promise(), load_prior(SHIPPED_PRIOR), coin=lambda: 1.0), VectorIndex(), Verifier()
    for number, vector in enumerate(vectors):
        index.add(number, vector)
        group = space.open_group()
        space.add_key(number, group)
        space.records[group].confirmed = 1
    others = [f"how can i {verb} the {noun} {place}" for verb in VERBS for noun in NOUNS for place in PLACES]
    known = {asked(question) for question in questions}
    wrong = random.Random(1).sample([other for other in others if other not in known], 300)
    found: list[Label] = []
    tries = [(asked(question, form), True) for question in questions for form in (0, 1)] + [(other, False) for other in wrong]
    random.Random(2).shuffle(tries)
    texts = [text for text, _ in tries]
    for (text, right), vector in zip(tries, embedder.embed_many(texts), strict=True):
        keys, cosines = index.nearest(vector, NEIGHBOURS)
        look = space.look(keys, cosines, lambda key, cosine, text=text: verifier.compare(text, questions[key], cosine))
        assert look.candidate is not None
        space.learn(look, [(look.candidate.group, right)])
        if look.candidate.compared.veto is None:
            found.append(Label(look.score, look.candidate.row, right))
    return found


class Client:
    """Connections that are kept; one request at a time on each."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, text: str) -> tuple[str, int]:
        """The lane that answered, and the status."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        raw = body(text)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._key}\r\ncontent-type: application/json\r\n"
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(raw) + raw)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        await reader.readexactly(int(fields["content-length"]))
        self._free.append((reader, writer))
        return fields.get("x-farthing-cache", ""), int(lines[0].split()[1])

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


async def load(client: Client, texts: Sequence[str], rate: float, seconds: float) -> list[tuple[str, float]]:
    """Lane and latency in ms of every request, counted from when it was due."""
    chance, found = random.Random(3), list[tuple[str, float]]()
    tasks: list[asyncio.Task[None]] = []

    async def one(due_s: float, text: str) -> None:
        lane, status = await client.ask(text)
        assert status == 200, status
        found.append((lane, (time.perf_counter() - due_s) * 1e3))

    due_s, ends_s = time.perf_counter(), time.perf_counter() + seconds
    while due_s < ends_s:
        due_s += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due_s, texts[len(tasks) % len(texts)])))
    await asyncio.gather(*tasks)
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has had, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


def kept_store(scratch: Path, entries: int) -> Path:
    """A folder with a store of that many keys, made once."""
    from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR
    from farthing.brain.cache.semantic.verifier import SHIPPED
    from farthing.models.embed import shipped

    scope = namespace_of(shipped().id)
    made_with = blake2b(scope + SHIPPED_PRIOR.read_bytes() + SHIPPED.read_bytes(), digest_size=6).hexdigest()
    kept = scratch / f"gateway_{entries}_{made_with}"
    if not kept.exists():
        aside = kept.with_suffix(".new")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        seed(aside / "farthing.db", entries)
        aside.rename(kept)
    return kept


def start(gateway: "Gateway") -> float:
    """Seconds until it is ready."""
    from tests.fakes.gateway import poll

    began = time.monotonic()
    gateway.start(wait=False)
    poll(gateway.ready, 600, "the gateway, which loads its entries first")
    return time.monotonic() - began


def first_start(gateway: "Gateway", kept: Path) -> float | None:
    """Seconds of a start that has to build the index, which is kept; `None` where it was built before."""
    index = gateway.directory / "farthing.db.index"
    if index.exists():
        return None
    took_s = start(gateway)
    gateway.stop()
    if index.exists():
        shutil.copytree(index, kept / index.name)
    return took_s


def latency(entries: int, rate: float, seconds: float, scratch_folder: Path) -> tuple[list[Figure], dict[str, Any]]:
    """End to end, one gateway process."""
    from tests.fakes.gateway import Gateway
    from tests.fakes.upstream import FakeUpstream

    kept = kept_store(scratch_folder, entries)
    with tempfile.TemporaryDirectory(prefix="farthing-bench-") as scratch, FakeUpstream() as upstream:
        folder = shutil.copytree(kept, Path(scratch) / "store")
        gateway = Gateway(CONFIG.format(url=upstream.base_url), env={"MOCK_KEY": "sk-mock"}, directory=folder)
        try:
            build_s, start_s = first_start(gateway, kept), start(gateway)
            began, rest_s = time.monotonic(), cpu(gateway.pid)
            time.sleep(_AT_REST_S)
            rest_ms = (cpu(gateway.pid) - rest_s) * 1e3 / (time.monotonic() - began)
            key = gateway.new_key("--tenant", "bench")
            texts = [asked(question, form) for question in stored() for form in range(len(FORMS))]
            random.Random(4).shuffle(texts)

            async def run() -> list[tuple[str, float]]:
                client = Client(gateway.port, key)
                await load(client, [text.replace("how", "please how", 1) for text in texts], rate, min(5.0, seconds))
                began, cpu_s = os.getloadavg()[0], cpu(gateway.pid)
                found = await load(client, texts, rate, seconds)
                raw["cpu_ms"] = (cpu(gateway.pid) - cpu_s) * 1e3 / len(found)
                client.close()
                raw["load_average"] = (began, os.getloadavg()[0])
                return found

            raw: dict[str, Any] = {"start_s": start_s, "build_s": build_s, "rest_ms": rest_ms}
            found = asyncio.run(run())
            hits = [ms for lane, ms in found if lane == "semantic"]
            rows = gateway.query("select overhead_ms, latency_total_ms from requests where cache = 'semantic'")
        finally:
            gateway.stop()
    inside = [row["latency_total_ms"] for row in rows if row["latency_total_ms"] is not None]
    raw |= {"requests": len(found), "lanes": {lane: sum(one == lane for one, _ in found) for lane in {one for one, _ in found}}}
    note = f"{len(hits)} hits of {len(found)} requests; load average {raw['load_average'][0]:.1f} to {raw['load_average'][1]:.1f}"
    return [
        Figure(f"semantic hit end to end, {entries:,} entries, {rate:.0f}/s, p50", percentile(hits, 0.5), "ms", 5, note=note),
        Figure("the same, p99", percentile(hits, 0.99), "ms", 12),
        Figure("CPU of a request, embedding and all", raw["cpu_ms"], "ms", None, note="does not wait for other work, but shares caches with it"),
        Figure("inside the gateway, p50 (ledger's latency_total_ms)", percentile(inside, 0.5), "ms", None),
        Figure("share of requests answered by meaning", 100 * len(hits) / max(1, len(found)), "%", 90, at_most=False, note="3 % are asked anew"),
        Figure("CPU of the gateway at rest, a second", raw["rest_ms"], "ms", None),
        Figure("start with that many entries in the store", raw["start_s"], "s", None, note="its index was saved by an earlier run"),
        Figure("start that has to build the index", raw["build_s"], "s", None, note="measured where --scratch holds none yet"),
    ], raw


def probes(count: int) -> Figure:
    """An embedder that says of every text that it means the same: nothing of another scope, or to another question, is served."""
    from tests.brain.cache.test_semantic_lane import CONSTANT, NOW, lane, teach

    subject, chance = lane(), random.Random(1)
    asyncio.run(teach(subject, times=700))
    served = 0
    words = ["card", "order", "policy", "paris", "invoice", "seven", "account", "close", "open", "flight", "boston", "denver", "cheap", "number"]
    for number in range(count):
        foreign = number % 10 > 0
        scope = chance.randbytes(8) if foreign else b"s"
        text = "how do i get a refund" if foreign else f"how do i {' '.join(chance.sample(words, 3))}"
        served += subject.decide(scope, text, CONSTANT, "anna", NOW).serves is not None
    return Figure(f"foreign or out-of-scope hits, {count:,} probes, constant embedder", float(served), "", 0)


def stale(steps: int) -> list[Figure]:
    """Two workers over one file on virtual time: nothing that was dropped is served a second later."""
    from tests.brain.cache.test_forgetting import interleave

    with tempfile.TemporaryDirectory(prefix="farthing-bench-") as scratch:
        found, hits, late = asyncio.run(interleave(Path(scratch) / "f.db", steps, 11))
    return [
        Figure(f"stale hits beyond 1 s, {steps:,} random interleavings, 2 workers", float(found), "", 0, note=f"{hits:,} hits"),
        Figure("stale hits within that second", float(late), "", None, note="the other worker has not looked yet"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--probes", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--skip-latency", action="store_true")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/farthing-cache"))
    chosen = parser.parse_args()
    figures = [probes(chosen.probes), *stale(chosen.steps)]
    raw: dict[str, Any] = {}
    if not chosen.skip_latency:
        measured, raw = latency(chosen.entries, chosen.rate, chosen.seconds, chosen.scratch)
        figures += measured
    save("cache_gateway", figures, raw)
    print_table("Reuse through the gateway", figures)


if __name__ == "__main__":
    main()
