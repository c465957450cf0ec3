"""Ending in good order: SIGINT and SIGTERM set an event; a second one ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from bridge.config import Settings

Process = Callable[[Settings, asyncio.Event], Awaitable[None]]


def stop_on_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """The event that the first SIGINT or SIGTERM sets. The second kills this process without further ado."""
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return stop


def run_until_stopped(process: Process, settings: Settings) -> None:
    """Run one process of the system until it is told to stop."""

    async def main() -> None:
        await process(settings, stop_on_signals(asyncio.get_running_loop()))

    asyncio.run(main())
