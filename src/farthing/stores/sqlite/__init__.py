"""The SQLite store: the book of requests, virtual keys, and answers kept for reuse. One file, any number of processes on one machine."""

from farthing.stores.sqlite.answers import AnswerStore, Changes, StoredAnswer
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.group import Counts
from farthing.stores.sqlite.jobs.parked import ParkedStore
from farthing.stores.sqlite.jobs.queue import JobStore
from farthing.stores.sqlite.judgements import Judgements
from farthing.stores.sqlite.keys import Key, Keys
from farthing.stores.sqlite.semantic import SemanticStore

__all__ = ["AnswerStore", "Book", "Changes", "Counts", "JobStore", "Judgements", "Key", "Keys", "ParkedStore", "SemanticStore", "StoredAnswer"]
