"""The control tower as it runs, in this process or in one of its own, over a database of a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import websockets

from bridge.config import Settings
from dashboard.server import run
from tests.erp_process import free_port
from tests.plant_seed import LOGIN, PASSWORD, apply, demo_settings
from tests.program import Program


class Tower:
    """A running control tower."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.dashboard.port}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=10)

    async def log_in(self, client: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD) -> httpx.Response:
        return await client.post("/api/v1/login", json={"login": login, "password": password})

    @asynccontextmanager
    async def feed(self, query: str = "", **headers: str) -> AsyncIterator[Feed]:
        async with self.client() as client:
            answer = await self.log_in(client)
            cookie = f"amor_session={answer.cookies['amor_session']}"
        address = self.url.replace("http", "ws", 1) + "/ws/v1/live" + query
        async with websockets.connect(address, additional_headers={"cookie": cookie, **headers}) as socket:
            yield Feed(socket)


class Feed:
    """The frames that a client gets."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    async def next(self, kind: str, is_it: Callable[[dict[str, Any]], bool] = lambda _frame: True) -> dict[str, Any]:
        """The next frame of a kind; those before it are passed over."""
        async with asyncio.timeout(20):
            while True:
                frame: dict[str, Any] = json.loads(await self.socket.recv())
                if frame["type"] == kind and is_it(frame):
                    return frame


@asynccontextmanager
async def running_tower(dsn: str, **changes: Any) -> AsyncIterator[Tower]:
    """The control tower in this event loop; its database has the demonstration's plant and an operator."""
    settings = demo_settings(dsn, free_port())
    settings = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=changes)})
    await apply(settings, datetime.now(UTC))
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    tower = Tower(settings)
    try:
        await _until_ready(tower, task)
        yield tower
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def _until_ready(tower: Tower, task: asyncio.Task[None]) -> None:
    async with tower.client() as client:
        while not task.done():
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/ready")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.02)
    await task


class TowerProcess:
    """The control tower as a process, which a test may kill and start again on the same port."""

    def __init__(self, dsn: str, folder: Path, connectors: str = "") -> None:
        """`connectors`: further tables of the configuration, as TOML."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._file = folder / "amor.toml"
        self._file.write_text(_CONFIGURATION.format(dsn=dsn, port=self.port) + connectors)
        self._log = folder / "tower.log"
        self._process: Program | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = Program("bridge.cli", "dashboard", "--config", str(self._file), stderr=log)
        while self._process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + "/ready", timeout=5).status_code == httpx.codes.OK:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the control tower did not start: {self._log.read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_CONFIGURATION = """
[plant]
name = "Acme Dortmund"
time_zone = "Europe/Berlin"
[database]
dsn = "{dsn}"
[dashboard]
port = {port}
"""
