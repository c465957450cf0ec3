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
    CONSUMED = "consumed"  # MaterialActual, Consumed
    PERFORMANCE = "performance"  # ProductionPerformance: the confirmation of an operation
    REVERSAL = "reversal"  # what another event said is taken back
    WORK_REQUEST = "work_request"  # MaintenanceWorkRequest
    AVAILABILITY = "availability"  # how much of an item may be promised: to a warehouse or a shop
    NOTICE = "notice"  # what people, or programs of theirs, are told (bridge/model/notice.py)
    TAG_WRITE = "tag_write"  # a value for a tag of a machine


# What production tells: each moves stock, and rules post each of what was counted.
OF_PRODUCTION: Final = (
    EventKind.WIP_TO_FG,
    EventKind.SCRAP,
    EventKind.CONSUMED,
    EventKind.PERFORMANCE,
    EventKind.REVERSAL,
)


class MaterialUse(StrEnum):
    """What an operation did with material (ISA-95 part 2, MaterialUse)."""

    PRODUCED = "Produced"
    CONSUMED = "Consumed"


class Disposition(StrEnum):
    """What became of the material (ISA-95 part 2, disposition)."""

    GOOD = "Good"
    SCRAP = "Scrap"


EVENT_NAMESPACE: Final = uuid.UUID("6f7d2b1e-7f0a-5c0e-9a35-6a2d0b1c9e11")


def event_id(source: str, stream: str, sequence: int) -> uuid.UUID:
    """The id of a fact: the same source, stream (order or ticket) and sequence always give the same id (UUIDv5)."""
    return uuid.uuid5(EVENT_NAMESPACE, f"{source}|{stream}|{sequence}")


@dataclass(frozen=True, slots=True)
class MaterialActual:
    """Material that an operation produced or consumed (ISA-95 part 2, MaterialActual).

    `quantity` is this event's share, `cumulative` all of the order so far including it, so that a connector can compare
    with the ERP's own total after an unclear answer. Each kind counts by itself (good, scrap, and each consumed item), and a
    reversal takes nothing from it. Quantities are pieces unless `uom` (UCUM) says otherwise.

    `item` is our code of the material; empty: what the order makes. `reason` is why it is scrap. `lot` and `serials` are
    those of the material, `location` where it went to or came from; empty: the ERP's default.
    """

    event_id: uuid.UUID
    order_ref: str
    sequence: int
    occurred_at: datetime
    quantity: Decimal
    cumulative: Decimal
    uom: str
    equipment: str
    use: MaterialUse = MaterialUse.PRODUCED
    disposition: Disposition = Disposition.GOOD
    reason: str = ""
    item: str = ""
    lot: str = ""
    serials: tuple[str, ...] = ()
    location: str = ""

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        if self.use is MaterialUse.CONSUMED:
            return EventKind.CONSUMED
        return EventKind.SCRAP if self.disposition is Disposition.SCRAP else EventKind.WIP_TO_FG

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox: decimals as strings, times in ISO 8601 UTC; use and disposition are the row's kind."""
        optional = {
            "reason": self.reason,
            "item": self.item,
            "lot": self.lot,
            "serials": list(self.serials),
            "location": self.location,
        }
        return {
            "event_id": str(self.event_id),
            "order_ref": self.order_ref,
            "sequence": self.sequence,
            "occurred_at": self.occurred_at.isoformat(),
            "quantity": str(self.quantity),
            "cumulative": str(self.cumulative),
            "uom": self.uom,
            "equipment": self.equipment,
            **{name: value for name, value in optional.items() if value},
        }


@dataclass(frozen=True, slots=True)
class ProductionPerformance:
    """What an operation of an order yielded (ISA-95 part 2, ProductionPerformance with its SegmentResponse): a confirmation.

    `segment` is the operation, by the number or name that the ERP knows; empty: the order as a whole. `yielded` and `scrapped`
    are this event's share, in `uom` (UCUM). `started_at` to `ended_at` is when it was worked on. `is_final`: nothing more
    of this segment comes, and the ERP may close it.
    """

    event_id: uuid.UUID
    order_ref: str
    sequence: int
    segment: str
    started_at: datetime
    ended_at: datetime
    yielded: Decimal
    scrapped: Decimal
    uom: str
    equipment: str
    reason: str = ""
    is_final: bool = False

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.PERFORMANCE

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox."""
        return {
            "event_id": str(self.event_id),
            "order_ref": self.order_ref,
            "sequence": self.sequence,
            "segment": self.segment,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "yielded": str(self.yielded),
            "scrapped": str(self.scrapped),
            "uom": self.uom,
            "equipment": self.equipment,
            "reason": self.reason,
            "is_final": self.is_final,
        }


@dataclass(frozen=True, slots=True)
class Reversal:
    """All or part of an earlier event is taken back (a good piece turned out to be scrap): an event of its own.

    `reverses` is the event, whole, so that a connector finds its document without asking us; `quantity`, in its unit, is how
    much of it, `cumulative` how much in all reversals of that event so far, including this one. What the earlier event and
    its followers say stays true: their cumulative quantities do not shrink.
    """

    event_id: uuid.UUID
    order_ref: str
    sequence: int
    occurred_at: datetime
    quantity: Decimal
    cumulative: Decimal
    reason: str
    reverses: MaterialActual | ProductionPerformance

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.REVERSAL

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox, with the one that it reverses inside."""
        return {
            "event_id": str(self.event_id),
            "order_ref": self.order_ref,
            "sequence": self.sequence,
            "occurred_at": self.occurred_at.isoformat(),
            "quantity": str(self.quantity),
            "cumulative": str(self.cumulative),
            "reason": self.reason,
            "reverses": {"kind": str(self.reverses.kind), "payload": self.reverses.payload()},
        }


@dataclass(frozen=True, slots=True)
class Availability:
    """How much of an item may be promised at a location, for a warehouse or a shop: a level, which replaces the one before.

    `sequence` counts the levels of one item and location: of two that arrive in the wrong order the higher one holds.
    """

    event_id: uuid.UUID
    item: str
    location: str
    sequence: int
    occurred_at: datetime
    available: Decimal
    uom: str

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.AVAILABILITY

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox."""
        return {
            "event_id": str(self.event_id),
            "item": self.item,
            "location": self.location,
            "sequence": self.sequence,
            "occurred_at": self.occurred_at.isoformat(),
            "available": str(self.available),
            "uom": self.uom,
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

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.WORK_REQUEST

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


class RequestState(StrEnum):
    """How far a maintenance system is with a work request."""

    OPEN = "open"  # nobody has begun
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WorkRequestState:
    """What a maintenance system says of a request that it holds under `external_id`; `said` is its own word for the state."""

    external_id: str
    state: RequestState
    said: str
    changed_at: datetime
