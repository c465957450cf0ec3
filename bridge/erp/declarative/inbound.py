"""Orders, shipments and states of requests, as the description finds them in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from bridge.erp.declarative.description import Listing
from bridge.erp.declarative.documents import at, is_met, listed
from bridge.erp.declarative.endpoint import Endpoint, lookup_in
from bridge.erp.posting import instant_of, quantity_of, readable
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, RequestState, ShipmentStatus, WorkRequestState

Read = TypeVar("Read")

# A list whose cursor never ends is a mistake of somebody's; what has been read until then is kept.
_MOST_PAGES: Final = 2000
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def orders(endpoint: Endpoint, table: Listing | None, zone: str, since: datetime | None) -> list[ProductionOrder]:
    """Production orders."""

    def read(row: Mapping[str, Any]) -> ProductionOrder:
        return ProductionOrder(
            number=_text(row, "number"),
            external_id=str(row.get("external_id") or _text(row, "number")),
            product=_text(row, "product"),
            quantity=quantity_of(row["quantity"]).normalize() + 0,
            due=instant_of(row.get("due"), zone),
            state=_text(row, "state"),
            work_center=str(row.get("work_center") or "") or None,
        )

    return await _read(endpoint, table, zone, since, read)


async def shipments(
    endpoint: Endpoint, table: Listing | None, zone: str, since: datetime | None
) -> list[ShipmentStatus]:
    """Shipments."""

    def read(row: Mapping[str, Any]) -> ShipmentStatus:
        created = instant_of(row["created_at"], zone)
        if created is None:
            raise BusinessError(f"shipment {row['number']} has no creation date")
        return ShipmentStatus(
            number=_text(row, "number"),
            order_ref=str(row.get("order_ref") or ""),
            state=_text(row, "state"),
            created_at=created,
            planned_at=instant_of(row.get("planned_at"), zone),
            due_at=instant_of(row.get("due_at"), zone),
            shipped_at=instant_of(row.get("shipped_at"), zone),
        )

    return await _read(endpoint, table, zone, since, read)


async def requests(
    endpoint: Endpoint, table: Listing | None, zone: str, since: datetime | None
) -> list[WorkRequestState]:
    """States of work requests."""

    def read(row: Mapping[str, Any]) -> WorkRequestState:
        changed = instant_of(row["changed_at"], zone)
        if changed is None:
            raise BusinessError(f"request {row['external_id']} names no time of its change")
        return WorkRequestState(_text(row, "external_id"), RequestState(row["state"]), str(row["said"]), changed)

    return await _read(endpoint, table, zone, since, read)


async def _read(
    endpoint: Endpoint,
    table: Listing | None,
    zone: str,
    since: datetime | None,
    read: Callable[[Mapping[str, Any]], Read],
) -> list[Read]:
    if table is None:
        return []
    found: list[dict[str, Any]] = []
    known: dict[str, Any] = {"since": since or _FIRST, "cursor": ""}
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        answer = await endpoint.ask(table.request, lookup_in(known, zone))
        found += [_row(table, record) for record in listed(at(answer, table.items))]
        cursor = None if table.next is None else at(answer, table.next)
        if not is_met(cursor, None) or str(cursor) in seen:
            break
        seen.add(str(cursor))
        known["cursor"] = cursor
    return readable(found, read)


def _row(table: Listing, record: Any) -> dict[str, Any]:
    row = {name: at(record, path) for name, path in table.fields.items()}
    said = str(row.get("state"))
    return {**row, "said": said, "state": table.states.get(said, said)}


def _text(row: Mapping[str, Any], name: str) -> str:
    if row[name] in (None, ""):
        raise BusinessError(f"{name} is missing")
    return str(row[name])
