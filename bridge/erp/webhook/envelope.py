"""Events in CloudEvents 1.0, JSON format, structured mode."""

from __future__ import annotations

from typing import Any, Final

from bridge.erp.connector import Event
from bridge.model.notice import Notice
from bridge.model.production import Availability, EventKind, ProductionPerformance, WorkRequest

MEDIA_TYPE: Final = "application/cloudevents+json"
TYPES: Final = {
    EventKind.WIP_TO_FG: "production.performance",
    EventKind.SCRAP: "production.performance",
    EventKind.PERFORMANCE: "production.performance",
    EventKind.CONSUMED: "production.consumption",
    EventKind.REVERSAL: "production.reversal",
    EventKind.WORK_REQUEST: "maintenance.work_request",
    EventKind.AVAILABILITY: "inventory.availability",
    EventKind.NOTICE: "alarm.event",
}


def envelope(event: Event, source: str) -> dict[str, Any]:
    """The CloudEvent. `kind` in the data tells apart what shares a type; quantities are decimal strings."""
    payload = event.payload()
    return {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": source,
        "type": TYPES[event.kind],
        "subject": _subject(event),
        "time": _time(event),
        "datacontenttype": "application/json",
        "data": {"kind": str(event.kind), **payload},
    }


def _subject(event: Event) -> str:
    match event:
        case WorkRequest():
            return event.equipment
        case Availability():
            return event.item
        case Notice():
            return str(event.facts.get("equipment", ""))
        case _:
            return str(getattr(event, "order_ref", ""))


def _time(event: Event) -> str:
    match event:
        case WorkRequest():
            return event.detected_at.isoformat()
        case ProductionPerformance():
            return event.ended_at.isoformat()
        case _:
            return str(event.payload().get("occurred_at", ""))
