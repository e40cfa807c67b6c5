"""From a configuration to a gateway that listens."""

import gc
import ipaddress
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import uvloop

from farthing import __version__
from farthing.config import Config
from farthing.core.clock import SystemClock
from farthing.core.errors import ConfigError
from farthing.edge.app import App
from farthing.edge.server import GatewayServer
from farthing.edge.workers import Workers, bind
from farthing.measure import log as logs
from farthing.measure import otel
from farthing.measure.board import Board
from farthing.stores.sqlite import Keys

if TYPE_CHECKING:
    pass

from farthing.assemble.running import Load, Running

log = logging.getLogger("farthing")
_GC_OBJECTS = 20_000


def serve(config: Config, *, load: Load, notes: tuple[str, ...] = ()) -> int:
    """Run the gateway until it is told to stop. Returns the exit status; raises `ConfigError` before anything listens."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # before the first word that we are here, until somebody listens for it
    logs.setup(config.log)
    _require_keys_off_loopback(config)
    otel.require(config.telemetry, os.environ)
    try:
        listener = bind(config.server.host, config.server.port)
    except OSError as error:
        where = f"{config.server.host}:{config.server.port}"
        raise ConfigError(f"Cannot listen on {where}: {error.strerror}. Choose another with --port, or stop what is using it.") from error
    _announce(config, listener, notes)
    board = Board(config.server.workers)
    if config.server.workers == 1:
        return _work(config, load, listener, board, 0)

    def work(number: int) -> int:
        return _work(config, load, listener, board, number, reload_first=workers.told_to_reload)

    workers = Workers(config.server.workers, work, listener, config.server.grace_s)
    return workers.run()


def _work(config: Config, load: Load, listener: socket.socket, board: Board, number: int, *, reload_first: bool = False) -> int:
    """One worker, from its first line to its last. `reload_first`: it replaces one that had reloaded."""

    async def main() -> None:
        running = Running(config, load, board=board, worker=number, clock=SystemClock())
        gateway = await running.open()
        if reload_first:
            await running.reload_or_say_why()
        # What was built at start lives until the end; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Requests leave no cycles behind; looking for them at every 700th object costs 4 % of a request.
        gc.set_threshold(_GC_OBJECTS, 20, 20)
        try:
            server = GatewayServer(App(gateway), config.server, on_drain=running.on_drain, on_reload=running.on_hangup_signal)
            await server.serve(sockets=[listener])
        finally:
            await running.close()

    try:
        uvloop.run(main())
    except ConfigError as error:
        log.error("%s", error.message)
        return 2
    return 0


def is_loopback(host: str) -> bool:
    """True for 127.0.0.0/8, ::1 and localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_keys_off_loopback(config: Config) -> None:
    if is_loopback(config.server.host) or Keys.any_in(config.store):
        return
    raise ConfigError(
        f"Refusing to listen on {config.server.host} without a key: anyone who can reach it could spend your money. "
        "Make one with 'farthing keys create --name first', or listen on 127.0.0.1."
    )


def _announce(config: Config, listener: socket.socket, notes: tuple[str, ...]) -> None:
    host, port = listener.getsockname()[:2]
    log.info("Farthing %s on http://%s:%d", __version__, f"[{host}]" if ":" in host else host, port)
    for note in notes:
        log.info("%s", note)
    if not Keys.any_in(config.store):
        log.info("open to this machine: no virtual key has been made. 'farthing keys create' makes one and closes it")
