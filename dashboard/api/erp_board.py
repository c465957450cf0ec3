"""Connectors and the events that need attention, read for all who look, as often as the database bears."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

from bridge.config import Settings
from bridge.store import erp_board
from bridge.store.database import Connection, Row
from dashboard.api.erp_models import ConnectorAnswer, ErpEvent, ErpSummary

_MOST: Final = 100
_LEAST_PAUSE_S: Final = 0.5
# Reading steps over every open row; a backlog of a million must not keep the database busy with being looked at.
_SHARE: Final = 10
_LONGEST_PAUSE_S: Final = 5.0
_PEOPLES_AND_MACHINES: Final = frozenset({"apprise", "tag_write"})  # connectors that nothing is made or booked in


class ErpBoard:
    """The newest summary. About a tenth of the time at most goes into reading it, and it is as old as that makes it, a few seconds at most."""

    def __init__(self, settings: Settings) -> None:
        self._zone = settings.plant.zone
        self._types = {table.name: str(table.type) for table in settings.connector}
        self._lock = asyncio.Lock()
        self._kept: ErpSummary | None = None
        self._good_until = 0.0

    @property
    def names(self) -> list[str]:
        """The connectors of the configuration."""
        return list(self._types)

    async def read(self, connection: Connection, *, fresh: bool = False) -> ErpSummary:
        """What is now, or was a moment ago; `fresh`: not older than this call, as after a person's step."""
        async with self._lock:
            if self._kept is None or fresh or time.monotonic() > self._good_until:
                began = time.monotonic()
                self._kept = await self._read(connection)
                ended = time.monotonic()
                self._good_until = ended + min(max(_LEAST_PAUSE_S, _SHARE * (ended - began)), _LONGEST_PAUSE_S)
            return self._kept

    async def _read(self, connection: Connection) -> ErpSummary:
        now = datetime.now(UTC).astimezone(self._zone)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = await erp_board.connectors(connection, self.names, today)
        attention = await erp_board.attention(connection, _MOST)
        return ErpSummary(
            connectors=[self._connector(row) for row in rows], attention=[ErpEvent.of(row) for row in attention]
        )

    def _connector(self, row: Row) -> ConnectorAnswer:
        of_type = self._types.get(row["connector"])
        can_compare = of_type is not None and of_type not in _PEOPLES_AND_MACHINES
        return ConnectorAnswer.of({**row, "type": of_type, "can_compare": can_compare})
