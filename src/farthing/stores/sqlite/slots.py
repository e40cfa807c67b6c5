"""Who is alive: every worker holds an operating-system lock on one byte of `<store>-lock`; its slot is the offset.

The kernel frees the byte when the process dies, kill -9 included, so a byte that can be locked has no owner. Open-file-description locks where
the system has them: they also hold between two books in one process, and closing another descriptor does not drop them.
"""

import contextlib
import errno
import fcntl
import os
import struct

from farthing.core.errors import ConfigError

_MOST_WORKERS = 1024
_SET_LOCK = getattr(fcntl, "F_OFD_SETLK", None)
_TAKEN = (errno.EACCES, errno.EAGAIN)


class Slots:
    """The lock file of one store, and the slot that this worker took in it."""

    def __init__(self, store_path: str) -> None:
        self._fd = os.open(f"{store_path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.own = self._take()
        except BaseException:
            os.close(self._fd)
            raise

    def claim(self, slot: int) -> bool:
        """Lock a slot, if nobody alive holds it. Do not ask for one's own."""
        try:
            self._set(slot, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def free(self, slot: int) -> None:
        self._set(slot, fcntl.F_UNLCK)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _take(self) -> int:
        slot = next((slot for slot in range(_MOST_WORKERS) if self.claim(slot)), None)
        if slot is None:
            raise ConfigError(f"{_MOST_WORKERS} workers already use this store. Give some of them another `store.path`.")
        return slot

    def _set(self, slot: int, kind: int) -> None:
        if _SET_LOCK is None:
            fcntl.lockf(self._fd, fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        else:
            # struct flock: type, whence, start, length, pid; whence 0 counts from the start of the file
            fcntl.fcntl(self._fd, _SET_LOCK, struct.pack("hhqqi4x", kind, os.SEEK_SET, slot, 1, 0))
