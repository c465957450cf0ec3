"""The real Tryton as the contract suite meets it: its failures are those of a proxy before it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from bridge.config.settings import TrytonSettings
from tests.contract.scenes import wire
from tests.faulty_proxy import FaultyProxy
from tests.tryton_process import TrytonServer


class RealTryton:
    """A server that runs already. `stop` is the proxy's: nobody listens any more."""

    stock_location = "STO"
    empty_location = "IN"

    def __init__(self, server: TrytonServer) -> None:
        self._server = server
        self._stack = AsyncExitStack()
        self.port = server.port

    @property
    def url(self) -> str:
        return self._proxy.url

    async def __aenter__(self) -> Self:
        self._proxy = await self._stack.enter_async_context(FaultyProxy.before(self._server.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def stop(self) -> None:
        await self._stack.aclose()

    def settings(self, *, api_key: str = "", **changes: Any) -> TrytonSettings:
        return self._server.settings(**({"key": api_key} if api_key else {}), **{"url": self.url, **changes})

    async def fail(self, mode: str, *, match: str = "") -> None:
        self._proxy.fail(mode, wire(match) if match else "")

    async def good_posted(self, order: str) -> int:
        return int(self._server.made(order))

    async def cancel_by_hand(self, order: str) -> None:
        self._server.press("stock.move", max(self._server.moves(order, "production_output")), "cancel")

    async def scrap_by_hand(self, order: str, quantity: int) -> None:
        self._server.scrap(order, quantity)

    async def close_period(self) -> None:
        self._server.close_period()
