"""Replay: what another configuration would have done with logged traffic.

The gateway's own brain (`brain.flow.journey`: cache, router, classifier, caps, checks) runs over the log in log order, on the log's clock, with
the log's answers in place of the services. Caches fill as they would have, sessions stick, budgets fill and refuse, identical requests in
flight share one call. Guarantees: nothing is sent; answers that the log does not hold are not invented (`answers`), and the report says what share
is what; the same input gives the same bytes. Costs: bench/replay.py. How to read it: docs/replay.md.
"""
