"""Learned routing: from a prompt to the chance that each model answers it well, and to the cheapest model whose promise holds.

Guarantees: pure; numpy and nothing else at run time; an artefact is arrays and a typed header, read without running code of its own; what it
cannot promise (no embedding, unfamiliar traffic, an endpoint without a promise) goes to the expensive tier, and says so in one line.
Costs: see bench/route.py. This package imports numpy, so only a gateway that has an artefact configured loads it.
Off: `route.learned.artefact` unset, `route.learned.enabled = false`, or the lever `route` off.
"""
