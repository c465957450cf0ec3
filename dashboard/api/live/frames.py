"""What the feed says: the content of each frame, read from the store. The reading is shared by all clients that ask at once."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.config.settings import Targets
from bridge.store import board, live
from bridge.store.database import Connection, Row
from dashboard.api.erp_board import ErpBoard
from dashboard.api.models import AlarmAnswer, MachineAnswer, OrderAnswer, ShipmentAnswer, TicketAnswer
from dashboard.api.plant import Counted, read_plant
from dashboard.api.window import WindowName

_SHARED_S: Final = 0.25
_NEWEST_SPAN: Final = timedelta(days=7)
_MOST_ORDERS: Final = 8


def point(row: Row) -> list[Any]:
    """A newest reading as [tag id, source time in ms, value or text, quality]."""
    value = row["text"] if row["value"] is None else row["value"]
    return [row["tag_id"], row["ts"].timestamp() * 1000, value, row["quality"]]


class Frames:
    """The contents, each read at most four times a second however many clients want it."""

    def __init__(self, targets: Targets, counted: Counted, board: ErpBoard) -> None:
        self._targets = targets
        self._counted = counted
        self._board = board
        self._lock = asyncio.Lock()
        self._shared: dict[str, tuple[float, dict[str, Any]]] = {}

    async def snapshot(self, connection: Connection, window: str) -> dict[str, Any]:
        """The whole state for a client that looks at a window."""
        async with self._lock:
            kept = self._shared.get(window)
            if kept and time.monotonic() - kept[0] < _SHARED_S:
                return kept[1]
            content = {
                **await self.kpis(connection, window),
                **await self.machines(connection),
                **await self.alarms(connection),
                **await self.tickets(connection),
                **await self.business(connection),
                **await self.erp(connection),
                "points": await self._newest_points(connection),
            }
            self._shared[window] = (time.monotonic(), content)
            return content

    async def kpis(self, connection: Connection, window: str) -> dict[str, Any]:
        """The plant's figures in a window."""
        name = WindowName(window)
        summary = await read_plant(connection, self._targets, self._counted, name, datetime.now(UTC))
        return {"plant": summary.model_dump(mode="json")}

    async def machines(self, connection: Connection) -> dict[str, Any]:
        """All machines and their states."""
        rows = await live.machines(connection, datetime.now(UTC))
        return {"machines": [MachineAnswer.of(row).model_dump(mode="json") for row in rows]}

    async def alarms(self, connection: Connection) -> dict[str, Any]:
        """All open alarms."""
        return {"alarms": [AlarmAnswer.of(row).model_dump(mode="json") for row in await board.alarms(connection)]}

    async def alarm(self, connection: Connection, alarm_id: int) -> dict[str, Any] | None:
        """One alarm after a change; its state is NORMAL where it is over."""
        row = await board.alarm(connection, alarm_id)
        return {"alarm": AlarmAnswer.of(row).model_dump(mode="json")} if row else None

    async def tickets(self, connection: Connection) -> dict[str, Any]:
        """All open tickets."""
        return {"tickets": [TicketAnswer.of(row).model_dump(mode="json") for row in await board.tickets(connection)]}

    async def ticket(self, connection: Connection, ticket_id: int) -> dict[str, Any] | None:
        """One ticket after a change; closed_at is set where it is over."""
        row = await board.ticket(connection, ticket_id)
        return {"ticket": TicketAnswer.of(row).model_dump(mode="json")} if row else None

    async def business(self, connection: Connection) -> dict[str, Any]:
        """Orders in hand and next, and the newest shipments."""
        orders = await board.orders(connection, _MOST_ORDERS)
        shipments = await board.shipments(connection, _MOST_ORDERS)
        return {
            "orders": [OrderAnswer.of(row).model_dump(mode="json") for row in orders],
            "shipments": [ShipmentAnswer.of(row).model_dump(mode="json") for row in shipments],
        }

    async def erp(self, connection: Connection) -> dict[str, Any]:
        """Connectors, and the events that wait for a person or fail."""
        return {"erp": (await self._board.read(connection)).model_dump(mode="json")}

    async def _newest_points(self, connection: Connection) -> list[list[Any]]:
        tag_ids = [row["id"] for row in await live.tags(connection)]
        since = datetime.now(UTC) - _NEWEST_SPAN
        return [point(row) for row in await live.newest_readings(connection, tag_ids, since)]
