"""The advice: one row of facts, one verdict, and the reason in words."""

import pytest

from farthing.lab.quantize.advice import Facts, advise, facts_of
from farthing.lab.quantize.checkpoint import open_checkpoint
from farthing.lab.quantize.machine import Machine, read_gpus
from tests.fakes.checkpoint import Size, write_checkpoint

GIB = 1024**3
LLAMA = Facts("LlamaForCausalLM", 8_000_000_000, 24 * GIB)
A100 = {"gpu": "A100", "gpu_capability": 8.0}


@pytest.mark.parametrize(
    ("facts", "method", "engine", "because"),
    [
        ({}, "gguf:q4_k_m", "llama.cpp", "no GPU is seen"),
        ({"max_drop": 0.01}, "gguf:q8_0", "llama.cpp", "not gguf:q4_k_m: about 3.0% worse is expected, 1.0% is tolerated"),
        ({"parameters": 500_000_000}, "gguf:q8_0", "llama.cpp", "about 6.0% worse is expected"),
        ({"max_drop": 0.0}, None, "llama.cpp", "nothing fits"),
        ({"memory_bytes": 4 * GIB}, None, "llama.cpp", "do not leave a fifth of 4.0 GiB"),
        ({"architecture": "PhiForCausalLM"}, None, "llama.cpp", "PhiForCausalLM is not converted to GGUF here"),
        (A100, "awq:w4a16", "vllm", "A100 is here: it batches best"),
        (A100 | {"group_divides": False}, "int8:w8a8", "vllm", "no multiple of its groups of 128"),
        (A100 | {"max_drop": 0.02}, "int8:w8a8", "vllm", "not gptq:w4a16: about 5.0% worse"),
        ({"gpu": "V100", "gpu_capability": 7.0, "max_drop": 0.02}, None, "vllm", "V100 has no 8-bit tensor cores"),
        (A100 | {"engine": "sglang"}, "awq:w4a16", "sglang", "engine sglang: asked for"),
        (A100 | {"engine": "llama.cpp"}, "gguf:q4_k_m", "llama.cpp", "asked for"),
        (A100 | {"architecture": "PhiForCausalLM"}, "awq:w4a16", "vllm", "awq:w4a16: 4 bits"),
    ],
)
def test_facts_lead_to_a_method_with_its_reason(facts: dict[str, object], method: str | None, engine: str, because: str) -> None:
    from dataclasses import replace

    found = advise(replace(LLAMA, **facts))  # type: ignore[arg-type]
    assert (found.method, found.engine) == (method, engine)
    assert because in "\n".join(found.reasons)


def test_facts_come_from_the_checkpoint_and_the_machine(tmp_path: object) -> None:
    found = facts_of(open_checkpoint(write_checkpoint(tmp_path / "odd", Size(middle=500))), Machine(7, "T4", 7.5), None, None)  # type: ignore[operator]
    assert (found.group_divides, found.memory_bytes, found.gpu, found.max_drop) == (False, 7, "T4", 0.05)


def test_the_largest_gpu_is_read_from_nvidia_smi_s_table() -> None:
    table = "NVIDIA T4, 15360, 7.5\nNVIDIA H100, 80GB HBM3, 81559, 9.0\n[Not Supported], n/a, n/a\n"
    assert read_gpus(table) == Machine(81559 * 1024**2, "NVIDIA H100, 80GB HBM3", 9.0)
    assert read_gpus("No devices were found\n") is None
