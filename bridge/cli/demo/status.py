"""The line that the demonstration shows while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

import psycopg
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bridge.cli.demo.stage import Stage
from bridge.store.ledger import Ledger

_TERMINAL_S: Final = 1.0
_PLAIN_S: Final = 10.0


async def show_status(stage: Stage, out: Console, until: Awaitable[object]) -> None:
    """Show what has arrived so far, until `until` is done: a line that renews itself, or one now and then in a log."""
    end = asyncio.ensure_future(until)
    try:
        with Live(console=out, auto_refresh=False, transient=True) as live:
            while not end.done():
                with suppress(psycopg.OperationalError):
                    line = _line(await stage.ledger())
                    if out.is_terminal:
                        live.update(Text.from_markup(line), refresh=True)
                    else:
                        out.print(line, soft_wrap=True)
                await asyncio.wait({end}, timeout=_TERMINAL_S if out.is_terminal else _PLAIN_S)
        await end
    finally:
        end.cancel()


def _line(ledger: Ledger) -> str:
    return (
        f"readings {ledger.stored:,}   dead letters {ledger.dead_letters}   finished goods {ledger.good}"
        f"   posted to the ERP {ledger.posted}   scrap {ledger.scrap}   tickets {ledger.tickets}"
    )
