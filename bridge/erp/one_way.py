"""What connectors have in common that only send: they hold no orders, no requests and no master data, and take nothing back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Self

from bridge.erp.connector import Event, Found, MasterDataProblem, Step, cannot_carry
from bridge.model.production import EventKind, ProductionOrder, Reversal, ShipmentStatus, WorkRequestState


class OneWay:
    """The part of Connector that is empty where nothing comes back."""

    carries: ClassVar[EventKind]
    system: ClassVar[str]

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The one kind that it carries."""
        return frozenset({self.carries})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def lookup(self, event: Event) -> Found:
        """Nobody can be asked: what may have been taken is sent again, which is at least once."""
        if event.kind is not self.carries:
            raise cannot_carry(self.system, event.kind, "name another connector for it")
        return Found(is_posted=False)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """What was said or written is not taken back."""
        raise cannot_carry(self.system, event.kind, "say or write something else instead")

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:  # the protocol's
        """None."""
        return []

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:  # the protocol's
        """None."""
        return []

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:  # the protocol's
        """None."""
        return []

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:  # the protocol's
        """None."""
        return []
