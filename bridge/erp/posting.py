"""What connectors to different systems decide alike: the day of a posting, keys of limited length, and whether totals agree."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import structlog

from bridge.errors import BusinessError
from bridge.model.decimals import plain
from bridge.model.production import MaterialActual, ProductionPerformance

log = structlog.get_logger()

Raw = TypeVar("Raw")
Read = TypeVar("Read")


# What systems call a piece where the configuration does not say: a count is never posted as kilograms by omission.
_PIECE_NAMES: Final = frozenset(
    {"PC", "PCS", "PCE", "PIECE", "PIECES", "ST", "STK", "EA", "EACH", "NO", "NOS", "UNIT", "UNITS", "C62", "H87"}
)


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the system's: its id, what it carries of ours (empty: nothing), and its quantity in the system's unit.

    `item` is the system's code of what it is of; empty where nobody asked.
    """

    id: str
    reference: str
    quantity: Decimal
    item: str = ""


def carrying(documents: Iterable[Document], reference: str) -> Document | None:
    """The document that carries our reference."""
    return next((document for document in documents if document.reference == reference), None)


def check_total(event: MaterialActual, documents: Iterable[Document], before: Decimal, unit: str) -> None:
    """Whether the system's total is what it must be `before` an event that it does not have, in the system's `unit`.

    Raises BusinessError where it is not: somebody posted by hand, or an event is missing.
    """
    total = sum((document.quantity for document in documents), Decimal(0))
    if total != before:
        raise BusinessError(
            f"order {event.order_ref}: the system has {plain(total)} {unit} posted, and {plain(before)} {unit} came before this "
            f"event ({event.kind}): compare the postings and correct the system or this event, then replay it"
        )


def check_same(order_ref: str, document: str, there: Sequence[Decimal], ours: Sequence[Decimal]) -> None:
    """Whether the document that carries an event's id is of the event's pieces; quantities in the system's unit.

    An id follows from order and number. So a database that was restored from a backup gives ids anew that the system has, for other
    pieces perhaps; and a person may have changed an event that was there already. Raises BusinessError where they differ.
    """
    if list(there) != list(ours):
        shown, said = (" and ".join(plain(each) for each in amounts) for amounts in (there, ours))
        raise BusinessError(
            f"order {order_ref}: the system has this event as {document}, of {shown}, and it is of other pieces now, {said}: it was "
            "changed after it was sent, or the database was restored from a backup; compare the order with the system, then correct "
            "this event and replay it, or settle it"
        )


def order_unit(event: MaterialActual | ProductionPerformance, posted: str, theirs: str) -> str:
    """The unit of an order that an event is posted to: `theirs`, and `posted` is what the event's unit is called there.

    Empty `posted` is a piece that the configuration does not name. Raises BusinessError where they are not the same.
    """
    if (posted and posted == theirs) or (not posted and theirs.upper() in _PIECE_NAMES):
        return theirs
    raise BusinessError(
        f"order {event.order_ref}: the event counts in {posted or 'pieces'}, the system in {theirs}: give the connector's units "
        f"{event.uom or '1'!r} = {theirs!r} if they are the same, or the item its unit and factor"
    )


def posting_day(moment: datetime, zone: str) -> date:
    """The day of a moment where the plant stands; `zone` empty: UTC."""
    return moment.astimezone(_zone(zone)).date()


def local_time(moment: datetime, zone: str) -> datetime:
    """The moment as the clock on the plant's wall shows it."""
    return moment.astimezone(_zone(zone))


def json_number(quantity: Decimal) -> int | float:
    """A quantity as a JSON number. Raises BusinessError where a double cannot hold it exactly."""
    if quantity == quantity.to_integral_value() and abs(quantity) < 2**53:
        return int(quantity)
    number = float(quantity)
    if Decimal(repr(number)) != quantity:
        raise BusinessError(f"the quantity {quantity} has more digits than a JSON number keeps")
    return number


def quantity_of(value: Any) -> Decimal:
    """A quantity of a JSON document, number or string. Raises BusinessError where it is none."""
    try:
        exact = (
            Decimal(value) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else Decimal("NaN")
        )
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise BusinessError(f"the system gives {value!r} for a quantity")
    return exact


def instant_of(text: Any, zone: str) -> datetime | None:
    """A moment in ISO 8601; one that names no zone is meant in `zone` (empty: UTC); None for none.

    Raises BusinessError for anything else.
    """
    if text in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise BusinessError(f"the system gives {text!r} for a time") from error
    return (moment.replace(tzinfo=_zone(zone)) if moment.tzinfo is None else moment).astimezone(UTC)


def readable(rows: Iterable[Raw], read: Callable[[Raw], Read]) -> list[Read]:
    """What `read` makes of the rows; one that cannot be read is logged and must not keep the others from being read."""
    made = []
    for row in rows:
        try:
            made.append(read(row))
        except (LookupError, TypeError, ValueError, ArithmeticError, BusinessError) as error:
            log.warning("left out, cannot be read", reason=f"{type(error).__name__} {error}", record=str(row)[:500])
    return made


def key16(event_id: uuid.UUID) -> str:
    """16 characters that stand for the id where no more fit: its first 80 bits in base 32 (RFC 4648)."""
    return base64.b32encode(event_id.bytes[:10]).decode()


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name or "UTC")
