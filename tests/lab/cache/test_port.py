"""Entries out of one store and into another: everything or nothing, and never into another tenant."""

import asyncio
import io
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from farthing.brain.cache import Answer, Origin
from farthing.brain.cache.persist import meta_of
from farthing.brain.cache.semantic.entries import Entry, Kept
from farthing.brain.lessons import Written, encode
from farthing.config import Store
from farthing.core.clock import FrozenClock, SystemClock
from farthing.core.errors import ConfigError
from farthing.core.forgetting import Drop
from farthing.core.request import Dialect
from farthing.lab.cache.port import bring_in, export
from farthing.lab.cache.shown import entries as cards
from farthing.lab.cache.shown import scopes
from farthing.stores.sqlite import AnswerStore, Book, SemanticStore
from farthing.stores.sqlite.cachefile import CacheFile

NOW = SystemClock().now()
BODY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Within 30 days."},"finish_reason":"stop"}]}'
)
VECTOR = np.full(8, 8**-0.5, np.float16).tobytes()


def answer(number: int, source: str = "help/a@1") -> Answer:
    origin = Origin("faq", f"How do I return item {number}?", b"n%031d" % number, tags=("legal",), prompt_version="v1", collection="help")
    return Answer(Dialect.CHAT, False, BODY, "svc", "m", "cheap", None, None, "stop", f"ans_{number}", NOW - 10, NOW + 1000, None, (source,), origin)


def fill(path: Path, tenants: tuple[str, ...] = ("acme", "globex")) -> CacheFile:
    async def main() -> None:
        book = await Book.open(Store(path=str(path)), worker="0", clock=SystemClock())
        answers, lessons = AnswerStore(book), SemanticStore(book)
        for number, tenant in enumerate(tenants):
            one = answer(number)
            assert answers.keep(b"k%031d" % number, one.facts(tenant), one.expires_at, meta_of(one), one.body)
            entry = Entry(one.entry_id, b"s", tenant, "faq", one.origin.question, one, "Within 30 days.", "anna", one.sources)
            for question in (one.origin.question, "another wording"):
                kept = Kept(one.entry_id, b"s", "constant", question, "anna", entry=entry if question == one.origin.question else None)
                assert lessons.keep(entry.facts, one.expires_at, "constant", VECTOR, encode(Written("w", kept)))
        await book.close()

    asyncio.run(main())
    return CacheFile(Store(path=str(path)))


def exported(file: CacheFile, tenant: str | None = None) -> bytes:
    out = io.BytesIO()
    export(file, tenant, out)
    return out.getvalue()


def empty(path: Path) -> CacheFile:
    return CacheFile(Store(path=str(path)))


def test_what_goes_out_comes_in_once(tmp_path: Path) -> None:
    there, here = fill(tmp_path / "a.db"), empty(tmp_path / "b.db")
    path = tmp_path / "cache.jsonl"
    path.write_bytes(exported(there))
    assert msgspec.structs.astuple(bring_in(here, path, None)) == (6, 0, 0)
    assert cards(here, None) == cards(there, None)
    assert msgspec.structs.astuple(bring_in(here, path, None)) == (0, 0, 6)
    assert exported(here) == exported(there)


def test_a_card_holds_every_field_of_an_entry(tmp_path: Path) -> None:
    file = fill(tmp_path / "a.db", ("acme",))
    (card,) = cards(file, "acme")
    assert (card.entry_id, card.lanes, card.tenant, card.endpoint) == ("ans_0", ("exact", "normalised", "semantic"), "acme", "faq")
    assert (card.user_query_example, card.normalized_query, card.answer) == (
        "How do I return item 0?",
        "how do i return item 0",
        "Within 30 days.",
    )
    assert (card.source_docs, card.collection, card.prompt_version, card.tags, card.model) == (("help/a@1",), "help", "v1", ("legal",), "svc/m")
    assert card.query_embedding is not None
    assert (len(card.query_embedding), card.embedder, card.keys) == (8, "constant", ("How do I return item 0?", "another wording"))
    (scope,) = scopes(file, None)
    assert (scope.answers, scope.normalised, scope.by_meaning, scope.keys, scope.hits) == (1, 1, 1, 2, 0)
    assert cards(file, "globex") == []


def test_one_tenant_leaves_alone(tmp_path: Path) -> None:
    there, here = fill(tmp_path / "a.db"), empty(tmp_path / "b.db")
    path = tmp_path / "cache.jsonl"
    path.write_bytes(exported(there, "acme"))
    with pytest.raises(ConfigError, match="belongs to tenant 'acme', not to 'globex'"):
        bring_in(here, path, "globex")
    bring_in(here, path, "acme")
    assert {card.tenant for card in cards(here, None)} == {"acme"}


def change(line: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(line) | fields).encode()


@pytest.mark.parametrize(
    "fields",
    [{"key": "c2hvcnQ="}, {"meta": None}, {"lane": "moon"}, {"unknown": 1}, {"created_at": "then"}, {"vector": "YWJj"}, {"tenant": "globex"}],
)
def test_a_line_that_is_not_whole_lets_nothing_in(tmp_path: Path, fields: dict[str, object]) -> None:
    there, here = fill(tmp_path / "a.db", ("acme",)), empty(tmp_path / "b.db")
    lines = exported(there).splitlines()
    broken = change(lines[1] if "vector" in fields or "tenant" in fields else lines[0], **fields)
    path = tmp_path / "cache.jsonl"
    path.write_bytes(b"\n".join([*lines, broken]))
    with pytest.raises(ConfigError, match=r"Line 4 .* Nothing was imported"):
        bring_in(here, path, None)
    assert cards(here, None) == []


def test_what_was_dropped_or_has_expired_does_not_come_back(tmp_path: Path) -> None:
    file = fill(tmp_path / "a.db")
    path = tmp_path / "cache.jsonl"
    lines = exported(file).splitlines()
    path.write_bytes(b"\n".join([*lines, change(lines[0], expires_at=NOW - 1)]))
    assert file.forget(Drop("document", "help/a", "acme", NOW)) == 1
    assert msgspec.structs.astuple(bring_in(file, path, None)) == (0, 1, 6)
    assert {card.tenant for card in cards(file, None)} == {"globex"}


def test_forgetting_by_hand_keeps_to_one_tenant(tmp_path: Path) -> None:
    file = fill(tmp_path / "a.db")
    assert file.forget(Drop("tag", "legal", "globex", NOW)) == 1
    assert {card.tenant for card in cards(file, None)} == {"acme"}
    assert file.drop_counts() == {"tag": 1}
    assert CacheFile(Store(path=str(tmp_path / "a.db")), clock=FrozenClock(NOW + 5000)).drop_counts() == {"tag": 1}
