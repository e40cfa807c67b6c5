"""Which engine loads what, how it is started, what it takes, and what is said when it cannot be."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from farthing.config import Local
from farthing.models.local import rows
from farthing.models.local.errors import EngineMissing, ModelUnusable, NoRoom, PortTaken
from farthing.models.local.fleet import plan, refuse_taken
from farthing.models.local.gguf import read_head
from farthing.models.local.memory import Shape, estimate, memory_available, refuse_shortage, shape_of
from farthing.models.local.rows import ENGINES, choose
from tests.fakes.checkpoint import write_checkpoint
from tests.fakes.gateway import free_port
from tests.lab.quantize.test_gguf import _wide


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return _wide(tmp_path)


LOCAL = Local(model="m", port=9, context_tokens=1024, slots=2, adapters={"poet": "a"}, arguments=("--seed", "3"))


@pytest.mark.parametrize(
    ("engine", "parts"),
    [
        ("llama-server", "llama-server --model m --alias x --host 127.0.0.1 --port 9 --metrics --ctx-size 2048 --parallel 2"),
        ("llama-server", "--slot-prompt-similarity 0.1 --cache-ram 256 --lora a --seed 3"),
        ("vllm", "vllm serve m --served-model-name x --host 127.0.0.1 --port 9 --max-model-len 1024 --max-num-seqs 2 --enable-prefix-caching"),
        ("vllm", "--enable-lora --lora-modules poet=a --seed 3"),
        ("sglang", f"{sys.executable} -m sglang.launch_server --model-path m --served-model-name x --host 127.0.0.1 --port 9 --context-length 1024"),
        ("sglang", "--max-running-requests 2 --enable-metrics --lora-paths poet=a --seed 3"),
    ],
)
def test_every_engine_is_told_the_same_in_its_own_words(engine: str, parts: str) -> None:
    assert parts in " ".join(ENGINES[engine].command("x", LOCAL))


def test_llama_server_s_options_stand_where_they_are_set() -> None:
    command = ENGINES["llama-server"].command("x", Local(model="m", port=9, threads=3, gpu_layers=0, embeddings=True, pooling="last"))
    assert [part for part in ("--threads", "3", "--n-gpu-layers", "0", "--embeddings", "--pooling", "last") if part not in command] == []


@pytest.mark.parametrize("engine", ["llama-server", "xllamacpp"])
def test_llama_cpp_s_weights_lie_in_huge_pages_unless_they_are_mapped(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0:glibc.malloc.check=1")
    found = ENGINES[engine].environment(LOCAL)
    assert found["GLIBC_TUNABLES"] == "glibc.malloc.check=1:glibc.malloc.hugetlb=1"
    assert found["LLAMA_ARG_LOAD_MODE"] == "none"
    assert ENGINES[engine].environment(msgspec.structs.replace(LOCAL, weights="mapped")) == {}
    assert ENGINES["vllm"].environment(LOCAL) == {}


def test_the_wheel_s_server_gets_the_same(file: Path) -> None:
    from farthing.models.local.xllama import Asked, parameters

    local = Local(model=str(file), port=9, context_tokens=512, slots=3, threads=1, gpu_layers=0, slot_similarity=0.5, adapters={"poet": "a.gguf"})
    made = parameters(Asked("x", local))
    assert (made.model.path, made.port, made.n_ctx, made.n_parallel, made.cpuparams.n_threads) == (str(file), 9, 1536, 3, 1)
    assert (made.hostnames, made.endpoint_metrics, made.model_alias) == (["127.0.0.1"], True, {"x"})
    assert [lora.path for lora in made.lora_adapters] == ["a.gguf"]
    assert made.load_mode.name == "LLAMA_LOAD_MODE_NONE"
    assert parameters(Asked("x", Local(model=str(file), port=9, weights="mapped"))).load_mode.name == "LLAMA_LOAD_MODE_AUTO"
    assert parameters(Asked("x", Local(model=str(file), port=9, embeddings=True))).embedding


def test_the_first_engine_that_is_there_is_taken(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ENGINES", {name: replace(row, found=lambda: True) for name, row in ENGINES.items()})
    assert choose(Local(model=str(file), port=9)).name == "llama-server"
    monkeypatch.setattr(rows, "ENGINES", {name: replace(row, found=lambda name=name: name == "xllamacpp") for name, row in ENGINES.items()})
    assert choose(Local(model=str(file), port=9)).name == "xllamacpp"
    monkeypatch.setattr(rows, "ENGINES", {name: replace(row, found=lambda name=name: name == "sglang") for name, row in ENGINES.items()})
    assert choose(Local(model=str(write_checkpoint(tmp_path / "other")), port=9)).name == "sglang"
    with pytest.raises(EngineMissing, match=r"llama-server: put .*; xllamacpp: pip install 'farthing\[local\]'"):
        choose(Local(model=str(file), port=9))
    with pytest.raises(EngineMissing, match=r"vllm is not installed: pip install vllm"):
        choose(Local(model=str(tmp_path / "other"), port=9, engine="vllm"))


def test_an_engine_for_another_format_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"vllm loads no GGUF file .*; llama-server or xllamacpp does"):
        choose(Local(model=str(file), port=9, engine="vllm"))
    with pytest.raises(ModelUnusable, match="xllamacpp loads no checkpoint"):
        choose(Local(model=str(tmp_path / "model"), port=9, engine="xllamacpp"))
    with pytest.raises(ModelUnusable, match=r"is a folder; name the file in it: .*wide.gguf"):
        choose(Local(model=str(tmp_path), port=9))
    with pytest.raises(ModelUnusable, match="neither a GGUF file nor a folder"):
        choose(Local(model=str(tmp_path / "nowhere"), port=9))


def _cut(raw: bytes) -> bytes:
    return raw[:-1000]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, "is cut off"),
        (lambda raw: raw[:2000], "is damaged: its head cannot be read"),
        (lambda raw: b"PK\x03\x04" + raw[4:], "is no GGUF file"),
        (lambda raw: raw[:8] + b"\xff" * 8 + raw[16:], "claims"),
        (lambda raw: raw[:24] + b"\xff" * 8 + raw[32:], "is damaged"),
        (lambda _: b"", "is no GGUF file"),
    ],
)
def test_a_damaged_file_is_found_before_anything_is_loaded(file: Path, damage: object, words: str) -> None:
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ModelUnusable, match=words):
        read_head(file)


def test_memory_is_weights_and_what_every_slot_remembers(file: Path, tmp_path: Path) -> None:
    assert shape_of(str(file)) == Shape(layers=1, kv_heads=2, key_length=64, weight_bytes=file.stat().st_size)
    assert shape_of(str(tmp_path / "model")).kv_heads == 2
    one = estimate(Local(model="m", port=9, context_tokens=1000, slots=1, prompt_cache_mb=0), Shape(32, 8, 128, 10**9))
    assert one - estimate(Local(model="m", port=9, context_tokens=500, slots=1, prompt_cache_mb=0), Shape(32, 8, 128, 10**9)) == 500 * 131072
    assert estimate(Local(model="m", port=9, memory_gb=2.5), Shape(None, None, None, 1)) == 2_500_000_000
    assert memory_available() > 10**8


def test_what_does_not_fit_beside_the_others_is_said_before_anything_is_loaded() -> None:
    refuse_shortage({"cheap": 4 << 30, "dear": 8 << 30}, 12 << 30)
    words = r"'dear' takes about 8.00 GiB, and 7.00 GiB of memory are left beside cheap. Lower local.dear.context_tokens"
    with pytest.raises(NoRoom, match=words):
        refuse_shortage({"cheap": 4 << 30, "dear": 8 << 30}, 11 << 30)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "bare")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnusable, match=r"no \*.safetensors"):
        shape_of(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        shape_of(str(folder))


def test_a_taken_port_is_said_with_how_to_find_who_has_it(file: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"Port {port} of 'tiny' cannot be had: Address already in use. .*change local.tiny.port"):
            plan({"tiny": Local(model=str(file), port=port)}, 1 << 40)
    refuse_taken("tiny", free_port())


def test_an_adapter_of_the_wrong_kind_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"local.tiny.adapters.poet: .*is not a GGUF file"):
        plan({"tiny": Local(model=str(file), port=free_port(), adapters={"poet": str(tmp_path)})}, 1 << 40)


def test_a_plan_says_what_would_be_started(file: Path) -> None:
    port = free_port()
    (one,) = plan({"tiny": Local(model=str(file), port=port, memory_gb=1)}, 1 << 40)
    assert (one.name, one.engine.name, one.local.port, one.memory_bytes) == ("tiny", "xllamacpp", port, 10**9)


def test_the_rows_agree_with_the_configuration() -> None:
    import msgspec

    kinds = msgspec.json.schema(Local)["$defs"]["Local"]["properties"]["engine"]["enum"]
    assert set(kinds) == {"auto", *ENGINES}
    assert json.loads(ENGINES["xllamacpp"].command("x", LOCAL)[-1])["name"] == "x"
