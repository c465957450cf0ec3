"""The dashboard process: web server and follower in one event loop, until it is told to stop.

While the database is away the pages stay and say STALE, /ready answers 503, and all goes on by itself afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from bridge.config import Settings
from bridge.errors import SetupError
from bridge.store import database
from dashboard.api import application
from dashboard.api.live.follower import Follower
from dashboard.api.live.frames import Frames
from dashboard.api.sessions import Sessions
from dashboard.api.tower import Tower

log = structlog.get_logger()

_POOL_SIZE: Final = 6
_BACKLOG: Final = 512
_PING_S: Final = 5.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises SetupError where the port is taken."""
    dsn = settings.database.dsn.get_secret_value()
    listener = _bind(settings.dashboard.host, settings.dashboard.port)
    pool = database.pool(dsn, "dashboard", _POOL_SIZE)
    await pool.open(wait=False)  # an absent database is no reason not to start
    try:
        tower = Tower(settings, pool, Sessions(pool))
        frames = Frames(settings.targets, tower.counted, tower.erp)
        server = _Server(_configuration(application.build(tower, frames)))
        host, port = listener.getsockname()[:2]
        log.info("the control tower is open", url=f"http://{host}:{port}")
        await _serve(server, listener, Follower(dsn, pool, tower.hub, frames), stop)
    finally:
        await pool.close(timeout=1)
        listener.close()


async def _serve(server: uvicorn.Server, listener: socket.socket, follower: Follower, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run(), name="follower")
        serving = group.create_task(server.serve(sockets=[listener]), name="server")
        stopping = group.create_task(stop.wait(), name="stop")
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        following.cancel()
        stopping.cancel()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(
            f"the control tower cannot listen on {host}:{port}: {error.strerror}; change [dashboard] host or port"
        ) from error


def _configuration(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # at 1000 clients it tripled the 99th percentile
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_max_size=64 * 1024,
        timeout_graceful_shutdown=1,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
