"""As much of llm-compressor as Farthing touches. What it is asked for is written down; how much it spoils the model is an order."""

from typing import Any

import told
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer


def oneshot(
    *,
    model: AutoModelForCausalLM,
    tokenizer: AutoTokenizer,
    dataset: Dataset,
    recipe: list[Any],
    max_seq_length: int,
    num_calibration_samples: int,
    shuffle_calibration_samples: bool,
) -> None:
    assert isinstance(tokenizer, AutoTokenizer)
    assert all(len(row["input_ids"]) == len(row["attention_mask"]) == max_seq_length for row in dataset.rows)
    told.tell(
        "oneshot",
        dtype=model.dtype,
        recipe=[[type(step).__name__, step.asked] for step in recipe],
        samples=num_calibration_samples,
        tokens=max_seq_length,
        shuffled=shuffle_calibration_samples,
        texts=[bytes(row["input_ids"]).decode() for row in dataset.rows],
    )
    if words := told.order("fails", ""):
        raise RuntimeError(words)
    model.sureness -= told.order("loses", 0.0)
