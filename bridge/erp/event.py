"""Outbox rows back into the events that they were written from (the inverse of `payload()` in bridge/model/production.py)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bridge.erp.connector import Event
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, WorkRequest


def read(kind: str, payload: Mapping[str, Any]) -> Event:
    """The event of an outbox row. Raises BusinessError where the row does not hold one: only a person can mend it."""
    try:
        match kind:
            case EventKind.WIP_TO_FG:
                return _material_actual(payload)
            case EventKind.WORK_REQUEST:
                return _work_request(payload)
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise BusinessError(f"the payload is no {kind} event: {type(error).__name__} {error}") from error
    raise BusinessError(f"{kind!r} is no kind of event that is carried to business systems yet")


def _material_actual(payload: Mapping[str, Any]) -> MaterialActual:
    quantity, cumulative = Decimal(payload["quantity"]), Decimal(payload["cumulative"])
    if not 0 < quantity <= cumulative or not cumulative.is_finite():
        raise ValueError(f"quantity {quantity} is not above 0 and at most the cumulative quantity {cumulative}")
    return MaterialActual(
        event_id=uuid.UUID(payload["event_id"]),
        order_ref=str(payload["order_ref"]),
        sequence=int(payload["sequence"]),
        occurred_at=_instant(payload["occurred_at"]),
        quantity=quantity,
        cumulative=cumulative,
        uom=str(payload["uom"]),
        equipment=str(payload["equipment"]),
    )


def _work_request(payload: Mapping[str, Any]) -> WorkRequest:
    return WorkRequest(
        event_id=uuid.UUID(payload["event_id"]),
        ticket_id=int(payload["ticket_id"]),
        equipment=str(payload["equipment"]),
        failure_mode=str(payload["failure_mode"]),
        priority=str(payload["priority"]),
        title=str(payload["title"]),
        description=str(payload["description"]),
        detected_at=_instant(payload["detected_at"]),
    )


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return moment.astimezone(UTC)
