"""Retrieval with token discipline: the few sentences of a collection that answer a question.

Guarantees: a question sees one collection of one tenant; what is sent fits the budget, in a stable order, with the version of each document.
Costs: no model call beyond one embedding; bench/retrieve.py prints ranking, answers kept and speed.
Off: no collection, or `retrieve` among an endpoint's `levers_off`.
"""
