"""Engines on this machine, as child processes: which there are (`rows`), what they need (`memory`), how they are kept running (`supervise`, `fleet`).

The gateway knows nothing of this room: an engine is a service like any other, at an address on this machine; `models/engines` reads its figures.
"""
