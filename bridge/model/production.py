"""What is made, in the terms of ISA-95 part 2 (B2MML) and ISO 22400-2."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final


class MachineState(StrEnum):
    """The canonical states of a work unit; a table maps what machines say onto them (ISO 22400-2 time model)."""

    RUNNING = "RUNNING"
    IDLE = "IDLE"
    BLOCKED = "BLOCKED"
    STARVED = "STARVED"
    SETUP = "SETUP"
    PLANNED_STOP = "PLANNED_STOP"
    UNPLANNED_STOP = "UNPLANNED_STOP"
    MAINTENANCE = "MAINTENANCE"
    UNKNOWN = "UNKNOWN"


class CountKind(StrEnum):
    """What a counted piece turned out to be."""

    GOOD = "good"
    SCRAP = "scrap"
    REWORK = "rework"


class EventKind(StrEnum):
    """The neutral events that go to business systems."""

    WIP_TO_FG = "wip_to_fg"  # MaterialActual, Produced: work in progress becomes finished goods
    SCRAP = "scrap"  # MaterialActual, Produced, disposition scrap
    WORK_REQUEST = "work_request"  # MaintenanceWorkRequest


EVENT_NAMESPACE: Final = uuid.UUID("6f7d2b1e-7f0a-5c0e-9a35-6a2d0b1c9e11")


def event_id(source: str, stream: str, sequence: int) -> uuid.UUID:
    """The id of a fact: the same source, stream (order or ticket) and sequence always give the same id (UUIDv5)."""
    return uuid.uuid5(EVENT_NAMESPACE, f"{source}|{stream}|{sequence}")


@dataclass(frozen=True, slots=True)
class MaterialActual:
    """Pieces that an operation produced (ISA-95 MaterialActual, use Produced).

    `quantity` is this event's share, `cumulative` all of the order so far including it, so that a connector can compare
    with the ERP's own total after an unclear answer. Quantities are pieces unless `uom` says otherwise.
    """

    event_id: uuid.UUID
    order_ref: str
    sequence: int
    occurred_at: datetime
    quantity: Decimal
    cumulative: Decimal
    uom: str
    equipment: str

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox: decimals as strings, times in ISO 8601 UTC."""
        return {
            "event_id": str(self.event_id),
            "order_ref": self.order_ref,
            "sequence": self.sequence,
            "occurred_at": self.occurred_at.isoformat(),
            "quantity": str(self.quantity),
            "cumulative": str(self.cumulative),
            "uom": self.uom,
            "equipment": self.equipment,
        }


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """A request for maintenance (ISA-95 MaintenanceWorkRequest); `priority` is low, medium, high or critical."""

    event_id: uuid.UUID
    ticket_id: int
    equipment: str
    failure_mode: str
    priority: str
    title: str
    description: str
    detected_at: datetime

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox."""
        return {
            "event_id": str(self.event_id),
            "ticket_id": self.ticket_id,
            "equipment": self.equipment,
            "failure_mode": self.failure_mode,
            "priority": self.priority,
            "title": self.title,
            "description": self.description,
            "detected_at": self.detected_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class ProductionOrder:
    """An order as the business system hands it out (ISA-95 part 4). `number` is what machines and people call it."""

    number: str
    external_id: str
    product: str
    quantity: Decimal
    due: datetime | None
    state: str  # planned, released, done, cancelled
    work_center: str | None = None


@dataclass(frozen=True, slots=True)
class ShipmentStatus:
    """A shipment of the business system: when its order was created, when it left (UTC; None while it has not)."""

    number: str
    order_ref: str
    state: str
    created_at: datetime
    planned_at: datetime | None
    due_at: datetime | None
    shipped_at: datetime | None
