"""Which number format each tensor of a model gets: llama.cpp's own recipe (`llama_tensor_get_type`), as a pure function.

Q4_K_M is a mixture: 4 bits everywhere, 6 bits for the output matrix and for half of the value and down projections, where errors hurt most.
Vectors (norms, biases) stay as they are. A row that is no multiple of a format's block falls back to the next format, as in llama.cpp.
"""

BLOCK = {"F32": (1, 4), "F16": (1, 2), "Q8_0": (32, 34), "Q5_0": (32, 22), "Q4_K": (256, 144), "Q6_K": (256, 210)}  # (values, bytes)
_FALLBACK = {"Q4_K": "Q5_0", "Q6_K": "Q8_0", "Q5_0": "F16", "Q8_0": "F16"}
FILE_TYPE = {"f16": 1, "q8_0": 7, "q4_k_m": 15}  # LLAMA_FTYPE_*, which the file states


def tensor_type(name: str, shape: tuple[int, ...], recipe: str, layers: int, *, tied: bool) -> str:
    """The format of one tensor. `name` is llama.cpp's, `shape` has rows first; `tied`: the embeddings are the output matrix too."""
    if len(shape) < 2:
        return "F32"
    if recipe == "f16":
        return "F16"
    wanted = "Q8_0" if recipe == "q8_0" else _q4_k_m(name, layers, tied=tied)
    while shape[-1] % BLOCK[wanted][0]:
        wanted = _FALLBACK[wanted]
    return wanted


def stored_bytes(shape: tuple[int, ...], kind: str) -> int:
    """What a tensor of that format takes."""
    values, size = BLOCK[kind]
    count = 1
    for side in shape:
        count *= side
    return count // values * size


def _q4_k_m(name: str, layers: int, *, tied: bool) -> str:
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "Q6_K"
    part = name.split(".")
    if part[0] == "blk" and part[2] in ("attn_v", "ffn_down") and _more_bits(int(part[1]), layers):
        return "Q6_K"
    return "Q4_K"


def _more_bits(layer: int, layers: int) -> bool:
    """The first and last eighth, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
