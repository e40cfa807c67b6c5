"""Audit: what a team's logs say about waste, and what it costs, before anything is changed.

Two passes in constant memory. `extract` boils each call down to `Facts` (in child processes), which go to a temporary file; the finders learn
from all facts what is usual (first pass), then weigh each call: what of it was avoidable (second pass). What several findings would
avoid of the same call is split over them, so that their additive shares are the whole and no cent counts twice (`tally`).
"""
