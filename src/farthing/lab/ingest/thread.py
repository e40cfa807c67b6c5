"""The librarian in a thread of its own, so that the event loop goes on while documents are read and embedded; opened by the first errand."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from farthing.config import Config

if TYPE_CHECKING:
    from farthing.lab.ingest.librarian import Librarian

Told = TypeVar("Told")


class LibrarianThread:
    """One errand after the other."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._thread = ThreadPoolExecutor(1, "farthing-documents")
        self._open: tuple[Config, Librarian] | None = None

    async def run(self, errand: "Callable[[Librarian], Told]") -> Told:
        """What the errand returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: errand(self._librarian()))

    def close(self) -> None:
        """The document at hand is waited for; what stands behind it is left."""
        if self._open is not None:
            self._open[1].stopping = True
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._open is not None:
            self._open[1].close()

    def _librarian(self) -> "Librarian":
        from farthing.lab.ingest.opened import open_librarian

        config = self._config()
        if self._open is None or self._open[0] is not config:
            if self._open is not None:
                self._open[1].close()
            self._open = config, open_librarian(config)
        return self._open[1]
