"""The shipped model is the published one, and every way of embedding fails in words."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core.call import Call, Reply
from farthing.core.errors import ConfigError, UpstreamBroken
from farthing.models.embed import LocalEmbedder, RemoteEmbedder, local, shipped

# The first eight of 384 numbers of the published float model for this question, from an implementation in plain numpy.
QUESTION = "How do I reset my password?"
PUBLISHED = [0.0069, -0.063, -0.072, -0.0325, -0.0427, 0.0704, 0.0091, 0.0154]


class OneReply:
    """A reply with a fixed body."""

    content_type = "application/json"
    service_request_id = None
    attempts = 1
    queue_s = 0.0
    price_factor = None

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body

    async def read(self) -> bytes:
        return self.body

    def close(self) -> None:
        self.closed = True


class OneService:
    """Answers every call with the same body, and remembers the calls."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        return OneReply(self.body)


def test_the_shipped_model_says_what_was_published() -> None:
    vector = asyncio.run(shipped().embed(QUESTION))
    assert vector.shape == (384,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)
    assert vector[:8].tolist() == pytest.approx(PUBLISHED, abs=0.004)


def test_the_graph_for_many_says_what_the_model_says_whatever_goes_beside_a_text() -> None:
    texts = [QUESTION, "Goods may be returned within thirty days, unused and with their bill. " * 4, "Parking is free.", "Parking costs a lot."]
    embedder = shipped()
    rows = embedder.embed_passages(texts)
    assert float((rows * embedder.embed_many(texts)).sum(axis=1).min()) > 0.995
    assert np.allclose(rows[2], embedder.embed_passages([texts[2]])[0], atol=1e-5)


def test_a_model_without_a_graph_for_many_embeds_passages_as_it_embeds_questions(tmp_path: Path) -> None:
    folder = Path(local.__file__).parents[2] / "data" / "minilm"
    for name in ("model.onnx", "vocab.txt"):
        (tmp_path / name).symlink_to(folder / name)
    embedder = LocalEmbedder(tmp_path / "model.onnx", tmp_path / "vocab.txt", name="alone")
    assert np.allclose(embedder.embed_passages([QUESTION])[0], embedder.embed_now(QUESTION), atol=1e-6)


@given(st.lists(st.integers(2, 256), max_size=40))
def test_texts_go_together_that_are_about_as_long_each_once(lengths: list[int]) -> None:
    found = list(local.batches(lengths))
    assert sorted(place for some in found for place in some) == list(range(len(lengths)))
    for some in found:
        most = max(lengths[place] for place in some)
        assert len(some) == 1 or len(some) * most <= 192
        assert min(lengths[place] for place in some) >= 0.7 * most


def test_meaning_is_nearer_than_words() -> None:
    embedder = shipped()
    texts = (QUESTION, "I forgot my password, how can I get a new one?", "How do I bake bread?")
    question, same, other = map(embedder.embed_now, texts)
    assert question @ same > 0.6 > question @ other


def test_any_text_can_be_embedded() -> None:
    embedder = shipped()
    for text in ("", "\0", "\ud800", "x" * 100_000, "日本語 " * 2000):
        assert np.isfinite(embedder.embed_now(text)).all()


def test_a_model_that_is_absent_or_broken_is_named(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[CLS]\n[SEP]\n[UNK]\n")
    with pytest.raises(ConfigError, match=r"absent\.onnx"):
        LocalEmbedder(tmp_path / "absent.onnx", vocabulary, name="own")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    embedder = LocalEmbedder(tmp_path / "model.onnx", vocabulary, name="own")
    with pytest.raises(ConfigError, match="cannot be opened"):
        embedder.embed_now("text")


def test_ids_tell_models_apart(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[CLS]\n[SEP]\n[UNK]\n")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    one, other = (LocalEmbedder(tmp_path / name, vocabulary, name="own") for name in ("a", "b"))
    assert one.id != other.id != shipped().id


def test_a_service_embeds() -> None:
    service = OneService(b'{"object":"list","data":[{"index":0,"embedding":[3.0,4.0]}]}')
    embedder = RemoteEmbedder(service, "openai", "text-embedding-3-small", timeout_s=5)
    assert asyncio.run(embedder.embed("hello")).tolist() == pytest.approx([0.6, 0.8])
    assert service.calls[0].body == b'{"model":"text-embedding-3-small","input":"hello"}'
    assert embedder.id == "openai/text-embedding-3-small"


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[]}', b'{"data":[{"embedding":[0.0,0.0]}]}', b'{"data":[{"embedding":[]}]}'])
def test_a_service_that_gives_no_vector_is_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        asyncio.run(RemoteEmbedder(OneService(body), "openai", "m", timeout_s=5).embed("hello"))


def test_there_is_one_shipped_embedder_and_it_reads_a_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = shipped()
    assert shipped() is embedder
    own = LocalEmbedder(embedder._model, embedder._vocabulary, name="counted")  # pyright: ignore[reportPrivateUsage]
    seen: list[str] = []

    def count(text: str) -> np.ndarray:
        seen.append(text)
        return np.ones(3, np.float32)

    monkeypatch.setattr(own, "embed_now", count)

    async def ask() -> None:
        assert (await own.embed("twice")) is (await own.embed("twice"))
        for number in range(70):
            await own.embed(f"text {number}")
        await own.embed("twice")

    asyncio.run(ask())
    assert seen.count("twice") == 2  # forgotten after 70 others
    own.close()
