"""A simulated system served by this process over real sockets, with the levers of the contract suite."""

from __future__ import annotations

import asyncio
import socket
from datetime import date
from types import TracebackType
from typing import Any, Self

from simulators.erp.failures import Failure, Failures
from simulators.systems.server import QuietServer, System, build_app, server


def _listener(port: int) -> socket.socket:
    # The protocol is named so that asyncio sets TCP_NODELAY; else each answer waits 40 ms for an acknowledgement.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


class Served:
    """One system. `stop` is a power cut for its clients; what it booked stays in memory for `start`."""

    def __init__(self, system: System | None) -> None:
        self.system = system
        self.failures = Failures(seed=1, hold_s=30)
        self._listener = _listener(0)
        self.port = int(self._listener.getsockname()[1])
        self._server: QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def app(self) -> Any:
        return build_app(self.system, self.failures)

    async def start(self) -> None:
        if self._listener.fileno() == -1:
            self._listener = _listener(self.port)
        self._server = server(self.app(), "127.0.0.1", self.port)
        self._serving = asyncio.create_task(self._server.serve([self._listener]))
        while not self._server.started:  # noqa: ASYNC110  # uvicorn tells nobody; it takes a few turns of the loop
            await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._server is None or self._serving is None:
            return
        for listening in self._server.servers:
            listening.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._listener.close()
        self._server = self._serving = None

    async def fail(self, mode: str, *, count: int = 1, match: str = "", seconds: float | None = None) -> None:
        self.failures.order(Failure(mode, count, match, seconds))

    async def close_period(self) -> None:
        self.system.business.closed_before = date(2100, 1, 1)

    async def truth(self) -> dict[str, Any]:
        return self.system.truth()

    async def good_posted(self, order: str) -> int:
        return int((await self.truth())["good_posted_by_origin"].get(order, 0))
