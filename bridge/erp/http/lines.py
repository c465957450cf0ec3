"""Connections without a pool that is searched: each request takes a line of its own, the one that was used last first.

httpx looks through all connections of its pool at the begin and the end of each request, which at 32 of them costs three times
what the request does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx


class Lines(httpx.AsyncBaseTransport):
    """At most `most` requests at a time; one more waits for a line, as long as the caller's deadline lets it."""

    def __init__(self, most: int, verify: ssl.SSLContext | bool = True, proxy: str | None = None) -> None:
        one = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self._lines = [httpx.AsyncHTTPTransport(verify=verify, limits=one, proxy=proxy) for _ in range(most)]
        self._free = list(self._lines)
        self._room = asyncio.Semaphore(most)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx; the line is free again when the answer is read or given up."""
        await self._room.acquire()
        line = self._free.pop()
        try:
            response = await line.handle_async_request(request)
        except BaseException:
            self._release(line)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream), "an asynchronous transport answers asynchronously"
        response.stream = _Answer(response.stream, self, line)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for line in self._lines:
            await line.aclose()

    def _release(self, line: httpx.AsyncHTTPTransport) -> None:
        self._free.append(line)
        self._room.release()


class _Answer(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, lines: Lines, line: httpx.AsyncHTTPTransport) -> None:
        self._stream = stream
        self._lines = lines
        self._line: httpx.AsyncHTTPTransport | None = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        line, self._line = self._line, None
        try:
            await self._stream.aclose()
        finally:
            if line is not None:
                self._lines._release(line)  # noqa: SLF001  # its own
