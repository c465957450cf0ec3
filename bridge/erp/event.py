"""Outbox rows back into the events that they were written from (the inverse of `payload()` in bridge/model/production.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Event
from bridge.errors import BusinessError
from bridge.model.notice import Notice, TagWrite
from bridge.model.production import (
    Availability,
    Disposition,
    EventKind,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    WorkRequest,
)

_DIGITS: Final = 15


def read(kind: str, payload: Mapping[str, Any]) -> Event:
    """The event of an outbox row. Raises BusinessError where the row does not hold one: only a person can mend it."""
    reader = _READERS.get(kind)
    if reader is None:
        raise BusinessError(f"{kind!r} is no kind of event that is carried to business systems: {', '.join(_READERS)}")
    try:
        return reader(payload)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        wrong = f"the field {error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise BusinessError(f"the payload is no {kind} event: {wrong}") from error


def _produced(payload: Mapping[str, Any]) -> MaterialActual:
    return _material_actual(payload, MaterialUse.PRODUCED, Disposition.GOOD)


def _scrap(payload: Mapping[str, Any]) -> MaterialActual:
    return _material_actual(payload, MaterialUse.PRODUCED, Disposition.SCRAP)


def _consumed(payload: Mapping[str, Any]) -> MaterialActual:
    actual = _material_actual(payload, MaterialUse.CONSUMED, Disposition.GOOD)
    if not actual.item:
        raise ValueError("item: what was consumed is not named")
    return actual


def _material_actual(payload: Mapping[str, Any], use: MaterialUse, disposition: Disposition) -> MaterialActual:
    quantity, cumulative = _share(payload)
    if use is MaterialUse.PRODUCED:
        _check_serials(payload, quantity)
    return MaterialActual(
        event_id=uuid.UUID(payload["event_id"]),
        order_ref=_name(payload, "order_ref"),
        sequence=int(payload["sequence"]),
        occurred_at=_instant(payload["occurred_at"]),
        quantity=quantity,
        cumulative=cumulative,
        uom=str(payload["uom"]),
        equipment=str(payload["equipment"]),
        use=use,
        disposition=disposition,
        reason=str(payload.get("reason", "")),
        item=str(payload.get("item", "")),
        lot=str(payload.get("lot", "")),
        serials=tuple(str(serial) for serial in payload.get("serials") or ()),
        location=str(payload.get("location", "")),
    )


def _performance(payload: Mapping[str, Any]) -> ProductionPerformance:
    started_at, ended_at = _instant(payload["started_at"]), _instant(payload["ended_at"])
    if started_at > ended_at:
        raise ValueError(f"started_at {started_at} is after ended_at {ended_at}")
    return ProductionPerformance(
        event_id=uuid.UUID(payload["event_id"]),
        order_ref=_name(payload, "order_ref"),
        sequence=int(payload["sequence"]),
        segment=str(payload["segment"]),
        started_at=started_at,
        ended_at=ended_at,
        yielded=_quantity(payload, "yielded"),
        scrapped=_quantity(payload, "scrapped"),
        uom=str(payload["uom"]),
        equipment=str(payload["equipment"]),
        reason=str(payload.get("reason", "")),
        is_final=bool(payload.get("is_final", False)),
    )


def _reversal(payload: Mapping[str, Any]) -> Reversal:
    inner = payload["reverses"]
    kind = str(inner["kind"])
    reverses = _READERS[kind](inner["payload"]) if kind in _READERS else None
    if not isinstance(reverses, MaterialActual | ProductionPerformance):
        raise TypeError(f"reverses: {kind!r} cannot be reversed")
    quantity, cumulative = _share(payload)
    most = reverses.quantity if isinstance(reverses, MaterialActual) else reverses.yielded + reverses.scrapped
    if cumulative > most:
        raise ValueError(f"cumulative {cumulative} is above the {most} of the event that it reverses")
    return Reversal(
        event_id=uuid.UUID(payload["event_id"]),
        order_ref=_name(payload, "order_ref"),
        sequence=int(payload["sequence"]),
        occurred_at=_instant(payload["occurred_at"]),
        quantity=quantity,
        cumulative=cumulative,
        reason=str(payload["reason"]),
        reverses=reverses,
    )


def _availability(payload: Mapping[str, Any]) -> Availability:
    return Availability(
        event_id=uuid.UUID(payload["event_id"]),
        item=str(payload["item"]),
        location=str(payload["location"]),
        sequence=int(payload["sequence"]),
        occurred_at=_instant(payload["occurred_at"]),
        available=_quantity(payload, "available"),
        uom=str(payload["uom"]),
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


def _notice(payload: Mapping[str, Any]) -> Notice:
    return Notice(
        event_id=uuid.UUID(payload["event_id"]),
        subject=str(payload["subject"]),
        body=str(payload["body"]),
        severity=str(payload["severity"]),
        occurred_at=_instant(payload["occurred_at"]),
        facts=dict(payload.get("facts", {})),
    )


def _tag_write(payload: Mapping[str, Any]) -> TagWrite:
    value = payload["value"]
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"value: {value!r} is no number, text or truth value")
    return TagWrite(
        event_id=uuid.UUID(payload["event_id"]),
        equipment=str(payload["equipment"]),
        tag=str(payload["tag"]),
        value=value if isinstance(value, bool | str) else float(value),
        cause=str(payload["cause"]),
        occurred_at=_instant(payload["occurred_at"]),
    )


def _check_serials(payload: Mapping[str, Any], quantity: Decimal) -> None:
    """What a rule wrote without its serial numbers goes out when a person has named each piece of it, and not before."""
    serials = payload.get("serials") or []
    if not isinstance(serials, list):
        raise TypeError(f"serials: {serials!r} is no list")
    missing = payload.get("serials_missing")
    if missing and not len(set(serials)) == len(serials) == quantity:
        raise BusinessError(
            f"serial numbers are missing: {missing}. Of {quantity} pieces {len(set(serials))} have one: name all of them "
            """(amor outbox edit NUMBER --set 'serials=["S1", "S2"]'), then replay the event"""
        )


def _name(payload: Mapping[str, Any], name: str) -> str:
    text = payload[name]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name}: {text!r} names nothing")
    return text


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return moment.astimezone(UTC)


def _quantity(payload: Mapping[str, Any], name: str) -> Decimal:
    number = Decimal(payload[name])
    if not number.is_finite() or number < 0:
        raise ValueError(f"{name} {number} is no quantity: a finite number, 0 or above")
    # What is counted has no more digits; as a plain number 1E+999999 would fill the memory.
    if number and not (number.adjusted() < _DIGITS and int(number.as_tuple().exponent) >= -_DIGITS):
        raise ValueError(f"{name} {number} has more than {_DIGITS} digits before or behind the point")
    return number


def _share(payload: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """An event's share, above 0, and all so far including it."""
    quantity, cumulative = _quantity(payload, "quantity"), _quantity(payload, "cumulative")
    if not 0 < quantity <= cumulative:
        raise ValueError(f"quantity {quantity} is not above 0 and at most the cumulative quantity {cumulative}")
    return quantity, cumulative


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Event]]] = {
    EventKind.WIP_TO_FG: _produced,
    EventKind.SCRAP: _scrap,
    EventKind.CONSUMED: _consumed,
    EventKind.PERFORMANCE: _performance,
    EventKind.REVERSAL: _reversal,
    EventKind.WORK_REQUEST: _work_request,
    EventKind.AVAILABILITY: _availability,
    EventKind.NOTICE: _notice,
    EventKind.TAG_WRITE: _tag_write,
}
