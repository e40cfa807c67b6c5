"""Model services that say how they are: queues and accelerators, where one of them reports any."""

from farthing.dashboard.facts import Facts
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader
from farthing.page import Block, Cell, Column, Table, show

_HEADS = ("Running", "Waiting", "KV cache in use", "GPU busy", "GPU memory in use", "Tokens read/s", "Tokens written/s")
_COLUMNS = ("service", "running", "waiting", "cache_used", "gpu_used", "gpu_memory_used", "input_tokens_per_s", "output_tokens_per_s")


def panel(_reader: Reader, facts: Facts) -> Panel:
    figures = [(name, *(getattr(load, column) for column in _COLUMNS[1:])) for name, load in sorted(facts.loads.items())]
    if not figures:
        return Panel("backends", "Backends", [], Figures(_COLUMNS, []))
    rows = [
        [
            name,
            show(load.running, "count"),
            show(load.waiting, "count"),
            *(Cell(show(share, "percent"), share=share) for share in (load.cache_used, load.gpu_used, load.gpu_memory_used)),
            show(load.input_tokens_per_s, "count"),
            show(load.output_tokens_per_s, "count"),
        ]
        for name, load in sorted(facts.loads.items())
    ]
    heads = [Column(title, right=True) for title in _HEADS]
    blocks: list[Block] = [Table(["Service", *heads], rows)]
    return Panel("backends", "Backends", blocks, Figures(_COLUMNS, figures), "As the services report it now")
