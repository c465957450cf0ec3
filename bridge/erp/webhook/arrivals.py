"""What the other side of a webhook tells: orders, shipments and states of requests, as CloudEvents.

| type | data |
|---|---|
| `production.order` | ProductionOrder: number, external_id, product, quantity, due, state, work_center |
| `shipment.status` | ShipmentStatus: number, order_ref, state, created_at, planned_at, due_at, shipped_at |
| `maintenance.work_request_state` | WorkRequestState: external_id, state, said, changed_at |

Quantities are decimal strings, times ISO 8601 with a zone. `time` of the CloudEvent says since when it is so (of a request's state
`changed_at` does), and `sequence`, a text that sorts, may tell apart what has the same time: of two messages the newer one holds,
whichever comes last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from bridge.erp.http.exchange import UNREADABLE
from bridge.errors import PayloadError
from bridge.model.production import ProductionOrder, ShipmentStatus, WorkRequestState
from bridge.model.text import storable

Arrival = ProductionOrder | ShipmentStatus | WorkRequestState

_TYPES: Final[dict[str, TypeAdapter[Any]]] = {
    "production.order": TypeAdapter(ProductionOrder),
    "shipment.status": TypeAdapter(ShipmentStatus),
    "maintenance.work_request_state": TypeAdapter(WorkRequestState),
}
_RECORDS: Final = {ProductionOrder: "number", ShipmentStatus: "number", WorkRequestState: "external_id"}
_AHEAD: Final = timedelta(
    minutes=5
)  # that the sender's clock may be; one far ahead would hold off all that comes after it
_LONGEST: Final = 200  # characters of an id or a sequence
_ORDER_STATES: Final = frozenset({"planned", "released", "done", "cancelled"})


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says, and of which record and when: of two the one with the greater (occurred_at, sequence, id) is newer."""

    arrival: Arrival
    type: str
    record: str
    occurred_at: datetime
    sequence: str
    id: str


def read(body: bytes, now: datetime) -> Message:
    """The message. Raises PayloadError with a sentence for the other side."""
    try:
        event = json.loads(body, parse_float=Decimal)
    except UNREADABLE as error:
        raise PayloadError(f"the body is no JSON: {error}") from error
    if not isinstance(event, dict) or event.get("specversion") != "1.0" or not isinstance(event.get("data"), dict):
        raise PayloadError("the body is no CloudEvent 1.0 with an object as its data")
    adapter = _TYPES.get(str(event.get("type")))
    if adapter is None:
        raise PayloadError(f"the type {event.get('type')!r} is not taken here; these are: {', '.join(_TYPES)}")
    try:
        arrival: Arrival = adapter.validate_python(_clean(event["data"]))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise PayloadError(f"{event['type']}: {'; '.join(wrong)}") from error
    _check(arrival)
    at = arrival.changed_at if isinstance(arrival, WorkRequestState) else _time(event.get("time"))
    if at > now + _AHEAD:
        raise PayloadError(f"{at.isoformat()} is more than 5 minutes ahead: set the sender's clock")
    record = str(getattr(arrival, _RECORDS[type(arrival)]))
    return Message(arrival, str(event["type"]), record, at, _short(event, "sequence", ""), _short(event, "id", None))


def _time(given: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except (TypeError, ValueError) as error:
        raise PayloadError(
            f"time: {given!r} is no time: give the CloudEvent the time since when it is so, so that the newer of two messages holds"
        ) from error
    if moment.tzinfo is None:
        raise PayloadError(f"time: {given} names no time zone")
    return moment.astimezone(UTC)


def _short(event: dict[str, Any], name: str, default: str | None) -> str:
    text = event.get(name, default)
    if not isinstance(text, str) or len(text) > _LONGEST or (default is None and not text):
        raise PayloadError(f"{name}: {str(text)[:40]!r} is no text of 1 to {_LONGEST} characters")
    return storable(text)


def _clean(data: dict[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in data.items()}


def _check(record: Arrival) -> None:
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise PayloadError(f"{field.name}: {value.isoformat()} names no time zone")
            object.__setattr__(record, field.name, value.astimezone(UTC))  # frozen for everybody else
    if isinstance(record, ProductionOrder):
        if record.state not in _ORDER_STATES:
            raise PayloadError(f"state: {record.state!r} is none of {', '.join(sorted(_ORDER_STATES))}")
        if not record.quantity.is_finite() or record.quantity < 0:
            raise PayloadError(f"quantity: {record.quantity} is none")
    for name in ("number", "external_id"):
        if getattr(record, name, "-") == "":
            raise PayloadError(f"{name}: is empty")
