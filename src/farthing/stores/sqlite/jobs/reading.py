"""Reading beside the writer."""

import sqlite3

from farthing.core.errors import StoreUnavailable
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.transaction import patiently


class Reading:
    """A connection of its own to the book's file."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._connection = book.reader()

    def read(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Raises `StoreUnavailable`."""
        try:
            return patiently(self._connection, sql, values)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The store cannot be read: {error}.", retry_after_s=1.0) from error
