"""The end of a demonstration with a duration: wait, bounded, until everything that was sent has arrived everywhere."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

import psycopg
from rich.console import Console

from bridge.cli.demo.ledger import commit_percentiles
from bridge.cli.demo.stage import Stage
from bridge.store.database import connected
from bridge.store.ledger import Ledger, message_to_commit_ms

_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.25


async def settle(stage: Stage, out: Console, patience_s: float = _PATIENCE_S) -> tuple[Ledger, dict[str, Any] | None]:
    """The database's ledger once nothing is under way any more, or after `patience_s`, and the times to commit.

    Nothing is under way when every reading sent is stored or a dead letter, the rules have followed every batch, every
    finished piece has its posting, the relay is idle and every ticket has its evidence. What differs then differs.
    """
    sent = stage.plant_truth()["readings_sent"]
    deadline = time.monotonic() + patience_s
    while True:
        with suppress(psycopg.OperationalError):
            ledger = await stage.ledger()
            waiting = _under_way(ledger, sent)
            if not waiting or time.monotonic() > deadline:
                break
        await asyncio.sleep(_LOOK_S)
    if waiting:
        out.print(f"[yellow]still under way after {patience_s:.0f} s:[/] {', '.join(waiting)}")
    async with connected(stage.settings.database.dsn.get_secret_value(), "demo") as connection:
        return ledger, commit_percentiles(await message_to_commit_ms(connection))


def _under_way(ledger: Ledger, sent: int) -> list[str]:
    """What is not finished, in words."""
    missing = sent - ledger.stored - ledger.dead_letters
    checks = (
        (missing > 0, f"{missing} readings not arrived"),
        (ledger.rules_behind > 0, f"{ledger.rules_behind} batches not followed by the rules"),
        (ledger.good_without_posting > 0, f"{ledger.good_without_posting} pieces without a posting"),
        (ledger.scrap_without_posting > 0, f"{ledger.scrap_without_posting} scrapped pieces without a posting"),
        (
            ledger.material_without_posting > 0,
            f"material of {ledger.material_without_posting} pieces without a posting",
        ),
        (ledger.outbox_open > 0, f"{ledger.outbox_open} events open in the outbox"),
        (ledger.evidence_pending > 0, f"{ledger.evidence_pending} tickets without their evidence"),
    )
    return [words for is_open, words in checks if is_open]
