"""What the other side of a webhook tells: orders, shipments and states of requests, as CloudEvents.

| type | data |
|---|---|
| `production.order` | ProductionOrder: number, external_id, product, quantity, due, state, work_center |
| `shipment.status` | ShipmentStatus: number, order_ref, state, created_at, planned_at, due_at, shipped_at |
| `maintenance.work_request_state` | WorkRequestState: external_id, state, said, changed_at |

Quantities are decimal strings, times ISO 8601 with a zone.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
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
_ORDER_STATES: Final = frozenset({"planned", "released", "done", "cancelled"})


def read(body: bytes) -> Arrival:
    """The record of a message. Raises PayloadError with a sentence for the other side."""
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
        record: Arrival = adapter.validate_python(_clean(event["data"]))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise PayloadError(f"{event['type']}: {'; '.join(wrong)}") from error
    _check(record)
    return record


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
