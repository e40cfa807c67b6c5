"""Farthing: an LLM gateway that makes LLM features cheap and fast, and proves it."""

__version__ = "0.1.0"
