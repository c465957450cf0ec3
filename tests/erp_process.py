"""The simulated ERP as a process of its own, for tests: the real contract over real sockets, never a mock."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from bridge.config.settings import OdooSettings
from tests.program import Program

KEY = "simulated-key"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SimulatedErp:
    """Six orders a line of 40 pieces each; nothing is shipped while a test runs."""

    def __init__(self, folder: Path, *, quantity: str = "40", orders_per_line: int = 6, fail: float = 0) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = ["--quantity", quantity, "--orders-per-line", str(orders_per_line), "--fail", str(fail)]
        self._process: Program | None = None
        self._control = httpx.AsyncClient(base_url=self.url, timeout=10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, *, api_key: str = KEY, **changes: Any) -> OdooSettings:
        auth = {"type": "api_key", "key": api_key}
        given = {"type": "odoo19", "name": "erp", "url": self.url, "database": "acme", "auth": auth, "timeout_s": 1}
        return OdooSettings.model_validate({**given, "poll_s": 0.5, **changes})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._control.aclose()
        await self.stop()

    async def start(self) -> None:
        self._process = Program(
            *("simulators.erp", "--port", str(self.port), "--data", str(self.folder)),
            *self._options,
            *("--release-every", "86400", "--ship-every", "86400", "--hold", "30"),
            env={**os.environ, "AMOR_SIMULATED_ERP_KEY": KEY},
        )
        while self._process.returncode is None:
            try:
                await self._control.get("/_control/fail")
            except httpx.ConnectError:
                await asyncio.sleep(0.01)
            else:
                return
        raise AssertionError("the simulated ERP has ended by itself")

    async def stop(self) -> None:
        """As a power cut: what it committed stays."""
        if self._process is not None:
            self._process.kill()
            await self._process.ended()

    async def fail(self, mode: str, *, count: int = 1, match: str = "", seconds: float | None = None) -> None:
        body = {"mode": mode, "count": count, "match": match, "seconds": seconds}
        (await self._control.post("/_control/fail", json=body)).raise_for_status()

    async def truth(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._control.get("/_truth")).json()
        return answer

    async def good_posted(self, order: str) -> int:
        return int((await self.truth())["good_posted_by_origin"].get(order, 0))
