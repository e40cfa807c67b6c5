"""Lossy diet: leave out what this question does not need. Off unless an endpoint names rules, and never without a quality floor.

Guarantees: the last user turn's own words, system prompts outside of documents, blocks of code, tool calls, ids and whatever stands at or before
a cache breakpoint stay as they are; quoted words stay whole, or go whole with their sentence, line or turn; what stays is as it was, letter for
letter and number for number; a tool call keeps its result; JSON stays JSON; a second helping changes nothing; a prefix that the provider has probably
kept is moved only where the sum of both prices says so (brain/cutting.py).
Costs: bench/diet.py. Off: no `endpoints.X.lossy.rules`, `levers_off = ["lossy"]` or `["diet"]`, header `x-farthing-levers: -lossy`; the quality guard
turns it down by itself where answers fall below the floor.
"""

from farthing.brain.diet.lossy.lever import CutBody, LossyLever
from farthing.brain.diet.lossy.turns import History

__all__ = ["CutBody", "History", "LossyLever"]
