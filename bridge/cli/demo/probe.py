"""A client of the live feed that reads as the page does, to measure how long a message takes to the browser."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx
import orjson
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

log = structlog.get_logger()

_RETRY_S: Final = 1.0
_KEPT: Final = 500_000


class FeedProbe:
    """Logs in, follows the feed, and keeps for each point the milliseconds from its source time to its arrival here."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self._url = url
        self._credentials = {"login": login, "password": password}
        self.late_ms: list[float] = []
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Follow the feed for ever; reconnects where it ends."""
        while True:
            try:
                await self._follow()
            except (OSError, httpx.HTTPError, WebSocketException) as error:
                log.debug("the feed is not there", reason=str(error))
            await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=5) as client:
            answer = await client.post("/api/v1/login", json=self._credentials)
            answer.raise_for_status()
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        address = self._url.replace("http", "ws", 1) + "/ws/v1/live"
        headers = {"Cookie": cookie, "Origin": self._url}
        async with connect(address, additional_headers=headers, max_size=2**24) as socket:
            self.connected.set()
            async for frame in socket:
                self._take(frame)

    def _take(self, frame: str | bytes) -> None:
        now_ms = time.time() * 1000
        message = orjson.loads(frame)
        if message.get("type") == "points" and len(self.late_ms) < _KEPT:
            self.late_ms.extend(now_ms - point[1] for point in message["points"])
