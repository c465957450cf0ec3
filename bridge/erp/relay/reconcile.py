"""Reconciliation: what was made, what was posted and what the business system has, compared order by order.

Differences are listed with what a person might do about them. Nothing is ever corrected by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from bridge.erp.connector import OrderTotals, TellsTotals
from bridge.erp.relay.dispatcher import Lane
from bridge.erp.relay.proposal import propose
from bridge.erp.relay.rhythm import pause
from bridge.errors import ConnectorError
from bridge.store import reconciliation
from bridge.store.database import Connection
from bridge.store.reconciliation import Difference, OrderLedger

log = structlog.get_logger()

SPAN: Final = timedelta(days=35)  # orders that had something to do in the last accounting period
_ASK_AGAIN_S: Final = 600.0
_LOOKS: Final = 5  # while orders are being posted, their numbers change between two looks


class Comparison(NamedTuple):
    """How many orders were looked at, and those that do not agree."""

    orders: int
    differences: list[Difference]


async def compare(connection: Connection, connector: str, system: object, since: datetime) -> Comparison:
    """Compare the orders that had something to do since then. Raises a ConnectorError where the system cannot be asked."""
    ledgers: list[OrderLedger] = []
    found: list[Difference] = []
    for _ in range(_LOOKS):
        ledgers = await reconciliation.read_ledger(connection, connector, since)
        found = await _differences(system, ledgers)
        # What was posted between the two looks is no difference.
        now = await reconciliation.read_ledger(connection, connector, since) if found else ledgers
        if not found or {each.order_number: each for each in now}.items() >= {
            (each.ledger.order_number, each.ledger) for each in found
        }:
            break
    return Comparison(len(ledgers), found)


async def _differences(system: object, ledgers: Sequence[OrderLedger]) -> list[Difference]:
    totals: Mapping[str, OrderTotals] | None = None
    # One whose class could tell may have a description that does not say how.
    if isinstance(system, TellsTotals) and getattr(system, "tells_totals", True):
        totals = await system.read_totals([ledger.order_number for ledger in ledgers])
    found = []
    for ledger in ledgers:
        told = None if totals is None else totals.get(ledger.order_number, OrderTotals(Decimal(0)))
        if proposal := propose(ledger, told):
            good, scrap = (None, None) if told is None else (told.good, told.scrap)
            found.append(Difference(ledger, good, proposal, scrap))
    return found


async def reconcile_nightly(lane: Lane, at: time, zone: ZoneInfo, connection: Connection, stop: asyncio.Event) -> None:
    """Compare once a day at a time of the plant's zone; at the start as well where the last night was missed."""
    while not stop.is_set():
        now = datetime.now(UTC)
        last = await reconciliation.newest(connection, lane.name)
        due = last_due(now, at, zone)
        if last is None or last[0]["at"] < due:
            await lane.gate.ready(stop)
            if stop.is_set():
                return
            if not await _reconcile(lane, connection, now):
                await lane.gate.pause(stop, timedelta(seconds=_ASK_AGAIN_S))
                continue
        await pause(stop, last_due(now, at, zone) + timedelta(days=1) - now)


def last_due(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The newest instant, not after now, at which the plant's clock showed this time."""
    local = now.astimezone(zone)
    due = datetime.combine(local.date(), at, zone)
    if due > local:
        due = datetime.combine(local.date() - timedelta(days=1), at, zone)
    return due.astimezone(UTC)


async def _reconcile(lane: Lane, connection: Connection, now: datetime) -> bool:
    since = now - SPAN
    try:
        orders, found = await compare(connection, lane.name, lane.connector, since)
    except ConnectorError as error:
        lane.gate.failed(error)
        log.warning("not reconciled, trying again", connector=lane.name, reason=str(error))
        return False
    await reconciliation.keep(connection, lane.name, since, orders, found, "relay")
    tell = log.warning if found else log.info
    tell("reconciled", connector=lane.name, orders=orders, differences=len(found))
    return True
