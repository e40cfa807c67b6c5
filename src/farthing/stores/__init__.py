"""Memory: the ledger, virtual keys, cached answers."""
