"""Cascade: ask the cheap model, read its answer, keep it or go on to the expensive one. No numpy here; the judgement is `route/learned`'s."""
