"""Several workers on one port: the parent binds, forks, watches, and passes signals on. It serves nothing itself.

A worker that dies is replaced; it takes down only the requests it had. Workers whose parent is no more drain and end, or they would keep the
port. On SIGTERM the parent closes its listening socket first, so that a new connection is refused and not accepted and reset. SIGHUP waits until
a worker listens for it: by default it would end a worker that is still starting.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

log = logging.getLogger("farthing.workers")

_WATCHED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_QUICK_DEATH_S = 2.0
_MAX_QUICK_DEATHS = 3
_GRACE_MARGIN_S = 1.0


def bind(host: str, port: int) -> socket.socket:
    """The listening socket. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


class Workers:
    """The parent. `work` runs in each child and returns its exit status."""

    def __init__(self, count: int, work: Callable[[int], int], listener: socket.socket, grace_s: float) -> None:
        self._count = count
        self._work = work
        self._listener = listener
        self._grace_s = grace_s
        self._born: dict[int, tuple[int, float]] = {}  # pid -> number of the worker, monotonic birth
        self._quick_deaths = 0
        self._parent_lives = os.pipe()  # whose writing end nobody but the parent keeps
        self.told_to_reload = False  # since the start, so that the configuration in force may be another than the first one

    def run(self) -> int:
        """Until told to stop. Returns the exit status of the whole."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        for number in range(self._count):
            self._spawn(number)
        while True:
            event = signal.sigtimedwait(_WATCHED, 1.0)
            told = event.si_signo if event else 0
            if told in (signal.SIGTERM, signal.SIGINT):
                return self._drain()
            if told == signal.SIGHUP:
                self.told_to_reload = True
                self._tell(signal.SIGHUP)
            if not self._replace_dead():
                self._drain()
                return 1

    def _spawn(self, number: int) -> None:
        pid = os.fork()
        if pid:
            self._born[pid] = number, time.monotonic()
            return
        status = 1
        try:
            os.close(self._parent_lives[1])
            threading.Thread(target=self._end_with_parent, name="farthing-parent", daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED - {signal.SIGHUP})
            status = self._work(number)
        except BaseException:
            log.exception("worker %d failed", number)
        finally:
            os._exit(status)

    def _end_with_parent(self) -> None:
        os.read(self._parent_lives[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _replace_dead(self) -> bool:
        """False when workers die as soon as they start: something is wrong that a restart does not mend."""
        for pid, status in self._reap():
            number, born_s = self._born.pop(pid)
            quick = time.monotonic() - born_s < _QUICK_DEATH_S
            self._quick_deaths = self._quick_deaths + 1 if quick and status != -signal.SIGKILL else 0
            if self._quick_deaths >= _MAX_QUICK_DEATHS:
                log.error("worker %d died at start %d times in a row; stopping. Its own message is above.", number, self._quick_deaths)
                return False
            log.warning("worker %d (pid %d) ended with status %d; starting another", number, pid, status)
            self._spawn(number)
        return True

    def _reap(self) -> list[tuple[int, int]]:
        dead: list[tuple[int, int]] = []
        for pid in list(self._born):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                dead.append((pid, os.waitstatus_to_exitcode(status)))
        return dead

    def _tell(self, number: int) -> None:
        for pid in self._born:
            os.kill(pid, number)

    def _drain(self) -> int:
        self._listener.close()
        self._tell(signal.SIGTERM)
        give_up_s = time.monotonic() + self._grace_s + _GRACE_MARGIN_S
        status = 0
        while self._born and time.monotonic() < give_up_s:
            signal.sigtimedwait(frozenset({signal.SIGCHLD}), 0.1)
            for pid, ended in self._reap():
                del self._born[pid]
                status = status or max(ended, 0)
        if self._born:
            log.error("%d workers did not end within the grace time and are killed", len(self._born))
            self._tell(signal.SIGKILL)
            return 1
        return status
