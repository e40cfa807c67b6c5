"""Sentence embedders: a text becomes a vector of length one whose direction is its meaning.

Shipped: all-MiniLM-L6-v2 in whole numbers (`data/minilm`, written by examples/build_embedder.py), run by onnxruntime in one worker
thread; other BERT-style ONNX models by path; any OpenAI-compatible embeddings endpoint through the configured services.
Guarantees: nothing is loaded before the first text; vectors of different embedders never carry the same `id`.
Costs: 1.9 ms for 12 tokens on one core at best, 60 MB once loaded (bench/embedder.py).
"""

from farthing.models.embed.choose import choose_embedder
from farthing.models.embed.local import LocalEmbedder, shipped
from farthing.models.embed.remote import RemoteEmbedder

__all__ = ["LocalEmbedder", "RemoteEmbedder", "choose_embedder", "shipped"]
