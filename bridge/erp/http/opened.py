"""Connectors that speak to their system by one HTTP client: `async with` opens and closes its connections."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from bridge.erp.http.client import HttpClient


class OverHttp:
    """The part of Connector that opens and closes; `http` is set by the constructor."""

    http: HttpClient

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)
