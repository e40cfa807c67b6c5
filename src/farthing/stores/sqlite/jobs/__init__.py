"""The durable queue: files, batches and their items, in the book's file. `brain.ports.Jobs` on SQLite.

Guarantees: an item is answered once, and its answer is written in the transaction of its request's ledger row; what a worker that died had taken is
taken up again by the next start, or by any living worker within two seconds; a kill -9 at any instant leaves files whole or absent.
"""
