"""The real engine, end to end: `farthing local up` and the gateway in front of it, with a model of two million parameters."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI

from tests.fakes.gateway import Gateway, free_port, poll
from tests.fakes.local import Engines

SCHEMA = {
    "type": "object",
    "properties": {"grade": {"enum": ["good", "bad"]}, "sure": {"type": "boolean"}},
    "required": ["grade", "sure"],
    "additionalProperties": False,
}
LONG = "You are an assistant who answers questions about the Python language, its standard library and its tools. " * 6


class House:
    """Engines, gateway, and a client of the gateway."""

    def __init__(self, engines: Engines, gateway: Gateway, port: int) -> None:
        self.engines = engines
        self.gateway = gateway
        self.port = port
        self.client = OpenAI(base_url=f"{gateway.base_url}/v1", api_key="unused", max_retries=0, timeout=60)

    def chat(self, text: str, **more: Any) -> Any:
        options: dict[str, Any] = {"max_tokens": 8, "temperature": 0} | more
        messages = options.pop("messages", [{"role": "user", "content": text}])
        return self.client.chat.completions.create(model="tiny/tiny", messages=messages, **options)

    def figure(self, name: str) -> float:
        """Of the engine's own metrics page."""
        page = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        return float(next(line.split()[1] for line in page.splitlines() if line.startswith(f"llamacpp:{name} ")))


@pytest.fixture(scope="module")
def house(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    port, other = free_port(), free_port()
    config = f"""
[local.tiny]
model = "{tiny_gguf}"
port = {port}
threads = 1
slots = 8
context_tokens = 4096
warm = ["{LONG}"]

[local.vectors]
model = "{tiny_gguf}"
port = {other}
threads = 1
slots = 1
context_tokens = 512
embeddings = true
pooling = "mean"

[services.tiny]
local = "tiny"
at_once = 8

[services.vectors]
local = "vectors"

[tiers]
cheap = ["tiny/tiny"]
expensive = ["tiny/tiny"]

[cache]
enabled = false
"""
    (folder / "engines.toml").write_text(config)
    with Engines(folder / "engines.toml", "tiny", "vectors") as engines, Gateway(config) as gateway:
        yield House(engines, gateway, port)


def test_an_answer_comes_through_the_gateway(house: House) -> None:
    answer = house.chat("The open() function")
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens == 8
    row = house.gateway.rows()[-1]
    assert (row["model_name"], row["status"], row["error_code"]) == ("tiny", 200, None)


def test_a_stream_is_the_whole_answer_in_pieces(house: House) -> None:
    whole = house.chat("A list is", max_tokens=24).choices[0].message.content
    stream = house.chat("A list is", max_tokens=24, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert chunks[-1].usage.completion_tokens == 24


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_binds_the_answer(house: House, stream: bool) -> None:
    kind = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True}}
    # Blanks between the parts are allowed, and at temperature 0 so small a model writes nothing else.
    found = house.chat("Is it good?", max_tokens=1000, temperature=1, seed=7, response_format=kind, stream=stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in found if chunk.choices) if stream else found.choices[0].message.content
    verdict = json.loads(text)
    assert verdict["grade"] in ("good", "bad")
    assert isinstance(verdict["sure"], bool)


def test_eight_at_once_are_computed_together(house: House) -> None:
    before = house.figure("n_decode_total")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: house.chat(f"Number {at}:", max_tokens=300, extra_body={"ignore_eos": True}), range(8)))
    assert [answer.usage.completion_tokens for answer in answers] == [300] * 8
    assert house.figure("n_decode_total") - before < 8 * 300 / 2  # one after the other: at least 2,400


def test_a_prompt_that_was_warmed_is_not_computed_again(house: House) -> None:
    answer = house.chat("", messages=[{"role": "system", "content": LONG}, {"role": "user", "content": "What is a tuple?"}])
    assert answer.usage.prompt_tokens_details.cached_tokens > 0.8 * answer.usage.prompt_tokens


def test_embeddings_come_from_an_engine_too(house: House) -> None:
    found = house.client.embeddings.create(model="vectors/vectors", input=["a list", "a tuple"])
    assert [len(row.embedding) for row in found.data] == [256, 256]
    assert found.data[0].embedding != found.data[1].embedding


def test_an_engine_that_is_killed_comes_back(house: House) -> None:
    times = len(house.engines.ups("tiny"))
    house.engines.kill("tiny")
    poll(lambda: len(house.engines.ups("tiny")) > times, 30, "the engine is up again")
    assert "tiny: died, was ended by SIGKILL; starting again in" in house.engines.log
    assert house.chat("The open() function").choices[0].message.content


def test_an_engine_that_dies_in_a_stream_ends_it_with_an_error(house: House) -> None:
    times = len(house.engines.ups("tiny"))
    stream = house.chat("On and on", max_tokens=4000, stream=True, extra_body={"ignore_eos": True})
    chunks = iter(stream)
    next(chunks)
    house.engines.kill("tiny")
    with pytest.raises((openai.APIError, httpx.HTTPError)) as caught:
        list(chunks)
    assert "tiny" in str(caught.value)
    poll(lambda: len(house.engines.ups("tiny")) > times, 30, "the engine is up again")
    assert house.gateway.rows()[-1]["error_code"] == "upstream_broken"


def test_an_adapter_changes_what_the_base_says(house: House, tiny_gguf: Path, tmp_path: Path) -> None:
    """A LoRA of random numbers on the quantized base: loaded from the table, on in every answer, and off where a request says so."""
    _adapter(tmp_path / "poet.gguf")
    port = free_port()
    (tmp_path / "one.toml").write_text(
        f'[local.one]\nmodel = "{tiny_gguf}"\nport = {port}\nthreads = 1\nadapters = {{ poet = "{tmp_path / "poet.gguf"}" }}\n'
    )
    with Engines(tmp_path / "one.toml", "one"):
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0, timeout=60)
        body: dict[str, Any] = {"model": "one", "messages": [{"role": "user", "content": "A list is"}], "max_tokens": 16, "temperature": 0}
        on = client.chat.completions.create(**body).choices[0].message.content
        off = client.chat.completions.create(**body, extra_body={"lora": [{"id": 0, "scale": 0.0}]}).choices[0].message.content
    assert off == house.chat("A list is", max_tokens=16).choices[0].message.content
    assert on != off


def _adapter(file: Path) -> None:
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for layer in range(3):
        writer.add_tensor(f"blk.{layer}.attn_q.weight.lora_a", random.standard_normal((4, 256)).astype(np.float32))
        writer.add_tensor(f"blk.{layer}.attn_q.weight.lora_b", random.standard_normal((256, 4)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _up(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "farthing", "local", "up", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_port_that_is_taken_is_one_line(house: House, tiny_gguf: Path) -> None:
    done = _up("--model", str(tiny_gguf), "--port", str(house.port))
    assert done.returncode == 1
    assert f"Port {house.port} of 'tiny' cannot be had: Address already in use." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_model_is_one_line(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf.read_bytes()[:-5000])
    done = _up("--model", str(tmp_path / "cut.gguf"), "--port", str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is cut off" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_that_the_engine_refuses_is_told_in_its_words(tiny_gguf: Path, tmp_path: Path) -> None:
    raw = tiny_gguf.read_bytes()
    (tmp_path / "odd.gguf").write_bytes(raw.replace(b"llama", b"lxxxx"))
    done = _up("--model", str(tmp_path / "odd.gguf"), "--port", str(free_port()))
    assert done.returncode == 1
    assert "xllamacpp for 'odd' ended with status 1 before it answered" in done.stderr
    assert "unknown model architecture: 'lxxxx'" in done.stderr


def test_it_ends_when_it_is_told_to_and_leaves_nothing(tiny_gguf: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "one.toml").write_text(f'[local.one]\nmodel = "{tiny_gguf}"\nport = {port}\nthreads = 1\n')
    with Engines(tmp_path / "one.toml", "one") as engines:
        (pid,) = engines.ups("one")
    assert engines.process is not None
    assert engines.process.returncode == 0
    assert engines.log.endswith("one: draining, up to 30 s\none: stopped\n")
    assert not Path(f"/proc/{pid}").exists()


def test_an_engine_does_not_outlive_a_killed_supervisor(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(f'[local.one]\nmodel = "{tiny_gguf}"\nport = {free_port()}\nthreads = 1\n')
    with Engines(tmp_path / "one.toml", "one") as engines:
        (pid,) = engines.ups("one")
        assert engines.process is not None
        engines.process.kill()
        poll(lambda: not Path(f"/proc/{pid}/exe").exists(), 10, "the engine has ended")
