"""What connectors to different systems decide alike: the day of a posting, keys of limited length, and whether totals agree."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.erp.connector import Found
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the system's: its id, what it carries of ours (empty: nothing), and its quantity in the system's unit."""

    id: str
    reference: str
    quantity: Decimal


def find(documents: Iterable[Document], reference: str) -> Found:
    """Whether one of the documents carries our reference."""
    for document in documents:
        if document.reference == reference:
            return Found(is_posted=True, external_id=document.id)
    return Found(is_posted=False)


def check_total(event: MaterialActual, documents: Iterable[Document], before: Decimal, unit: str) -> None:
    """Whether the system's total is what it must be `before` an event that it does not have, in the system's `unit`.

    Raises BusinessError where it is not: somebody posted by hand, or an event is missing.
    """
    total = sum((document.quantity for document in documents), Decimal(0))
    if total != before:
        raise BusinessError(
            f"order {event.order_ref}: the system has {_plain(total)} {unit} posted, and {_plain(before)} {unit} came before this "
            f"event ({event.kind}): compare the postings and correct the system or this event, then replay it"
        )


def posting_day(moment: datetime, zone: str) -> date:
    """The day of a moment where the plant stands; `zone` empty: UTC."""
    return moment.astimezone(ZoneInfo(zone) if zone else UTC).date()


def key16(event_id: uuid.UUID) -> str:
    """16 characters that stand for the id where no more fit: its first 80 bits in base 32 (RFC 4648)."""
    return base64.b32encode(event_id.bytes[:10]).decode()


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
