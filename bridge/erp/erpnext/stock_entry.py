"""Pieces, scrap, consumption and performance as Stock Entries of a Work Order.

The site makes the draft (components by its bill of materials); quantities, our id and the posting date are set, and it is
inserted submitted. The id stands in a unique custom field, so that a second one is refused with 409. A site may submit large
entries in a queue: the entry is a draft until then.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.connector import Found
from bridge.erp.erpnext.site import Filter, Row, Site, resource
from bridge.erp.http import Request
from bridge.erp.posting import Document, check_total, json_number, local_time, order_unit, quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

ENTRY: Final = "Stock Entry"
ORDER: Final = "Work Order"
MAKE: Final = "erpnext.manufacturing.doctype.work_order.work_order.make_stock_entry"
OPEN: Final = frozenset({"Not Started", "In Process", "Stock Reserved", "Stock Partially Reserved"})
_MANUFACTURE: Final = "Manufacture"
_CONSUME: Final = "Material Consumption for Manufacture"
_DISASSEMBLE: Final = "Disassemble"
_UNSAVED: Final = frozenset({"name", "owner", "creation", "modified", "modified_by", "__islocal", "__unsaved"})

Made = MaterialActual | ProductionPerformance


class StockEntries:
    """The Stock Entries of a site's Work Orders."""

    def __init__(self, settings: ErpNextSettings, site: Site, units: Units) -> None:
        self._settings = settings
        self._site = site
        self._units = units

    async def find(self, event: Made | Reversal) -> Found:
        """The entry with the event's id; a draft of it counts as sent and not yet posted. A cancelled one was posted."""
        if isinstance(event, Reversal) and not _is_disassembled(event):
            original = await self._entry(str(event.reverses.event_id))
            is_cancelled = original is not None and original.get("docstatus") == 2
            return Found(is_cancelled, str(original["name"]) if original is not None and is_cancelled else None)
        entry = await self._entry(str(event.event_id))
        if entry is None:
            return Found(is_posted=False)
        is_posted = entry.get("docstatus") != 0
        return Found(is_posted, str(entry["name"]), None if is_posted else 1)

    async def plan(self, event: Made) -> Request | None:
        """The entry's request; None where the site has it. Raises BusinessError where order, unit, quantity or total do not fit."""
        if (await self._entry(str(event.event_id))) is not None:
            return None
        order = await self._order(event.order_ref)
        if order.get("docstatus") != 1 or order.get("status") not in OPEN:
            raise BusinessError(
                f"Work Order {event.order_ref} is {order.get('status')} in ERPNext: submit or reopen it, then replay this event"
            )
        good, loss = _quantities(event)
        unit = self._unit(event, order)
        if isinstance(event, MaterialActual) and event.kind is not EventKind.CONSUMED:
            before = self._quantity(event.cumulative - event.quantity, event, order)
            check_total(event, await self._documents(event), before, unit)
        purpose = _CONSUME if event.kind is EventKind.CONSUMED else _MANUFACTURE
        total, lost = self._quantity(good + loss, event, order), self._quantity(loss, event, order)
        draft = await self._draft(event.order_ref, purpose, total)
        draft["process_loss_qty"] = json_number(lost)
        draft["items"] = self._items(draft, event, order, total - lost, unit)
        return self._insert(
            draft, event, event.ended_at if isinstance(event, ProductionPerformance) else event.occurred_at
        )

    async def plan_reversal(self, event: Reversal) -> Request | None:
        """Pieces go apart again (Disassemble) in the quantity; any other entry is cancelled, which is possible as a whole only."""
        if (await self.find(event)).external_id is not None:
            return None
        original = await self._entry(str(event.reverses.event_id))
        if original is None:
            raise BusinessError(
                f"Work Order {event.order_ref}: ERPNext has no entry of the event {event.reverses.event_id}"
            )
        if not _is_disassembled(event):
            if event.quantity != sum(_quantities(event.reverses)):
                raise BusinessError(
                    f"ERPNext cancels {original['name']} as a whole, and {event.quantity} of {sum(_quantities(event.reverses))} are "
                    "to be taken back: cancel it there and enter what remains"
                )
            path = resource(ENTRY, str(original["name"]))
            return Request("PUT", path, is_repeatable=False, json={"docstatus": 2})
        order = await self._order(event.order_ref)
        quantity = self._quantity(event.quantity, event.reverses, order)
        draft = await self._draft(event.order_ref, _DISASSEMBLE, quantity)
        return self._insert(draft, event, event.occurred_at)

    async def _draft(self, order_ref: str, purpose: str, quantity: Decimal) -> dict[str, Any]:
        arguments = {"work_order_id": order_ref, "purpose": purpose, "qty": json_number(quantity)}
        made = await self._site.method(MAKE, arguments)
        return {name: _plain(value) for name, value in made.items() if name not in _UNSAVED}

    def _insert(self, draft: dict[str, Any], event: Made | Reversal, at: datetime) -> Request:
        local = local_time(at, self._settings.time_zone)
        reason = f", {event.reason}" if getattr(event, "reason", "") else ""
        document = draft | {
            "docstatus": 1,
            "set_posting_time": 1,
            "posting_date": f"{local:%Y-%m-%d}",
            "posting_time": f"{local:%H:%M:%S}",
            "remarks": f"amor {event.kind} {event.order_ref} {event.sequence}{reason}",
            self._settings.event_id_field: str(event.event_id),
        }
        return Request("POST", resource(ENTRY), is_repeatable=False, json=document)

    def _items(self, draft: dict[str, Any], event: Made, order: Row, good: Decimal, unit: str) -> list[dict[str, Any]]:
        """The draft's rows with our quantity, lot, serials and place; of a consumption the consumed item alone."""
        if isinstance(event, MaterialActual) and event.kind is EventKind.CONSUMED:
            code = self._units.code(event.item)
            row: dict[str, Any] = next(
                (dict(r) for r in draft.get("items", []) if r.get("item_code") == code),
                {"item_code": code},
            )
            row["qty"] = json_number(self._quantity(event.quantity, event, order))
            row |= {"uom": unit} if unit else {}
            return [row | self._marks(event, "s_warehouse")]
        rows: list[dict[str, Any]] = [dict(row) for row in draft.get("items", [])]
        for row in rows:
            if row.get("is_finished_item"):
                row["qty"] = json_number(good)
                row.update(self._marks(event, "t_warehouse") if isinstance(event, MaterialActual) else {})
        return [row for row in rows if not row.get("is_finished_item") or good]

    def _marks(self, event: MaterialActual, place: str) -> dict[str, Any]:
        location = self._settings.locations.get(event.location, event.location)
        marks = {"batch_no": event.lot, "serial_no": "\n".join(event.serials), place: location}
        kept: dict[str, Any] = {name: value for name, value in marks.items() if value}
        return kept | ({"use_serial_batch_fields": 1} if event.lot or event.serials else {})

    def _quantity(self, quantity: Decimal, event: Made, order: Row) -> Decimal:
        return self._units.posted(quantity, event.uom, self._item(event, order), self._settings.digits).quantity

    def _unit(self, event: Made, order: Row) -> str:
        """The unit's name there; of a consumption empty where it is the item's own."""
        named = self._units.posted(Decimal(0), event.uom, self._item(event, order), 0).uom
        return named if event.kind is EventKind.CONSUMED else order_unit(event, named, str(order.get("stock_uom", "")))

    def _item(self, event: Made, order: Row) -> str:
        return getattr(event, "item", "") or self._units.ours(str(order.get("production_item", "")))

    async def _order(self, order_ref: str) -> Row:
        fields = ["production_item", "stock_uom", "status", "docstatus"]
        order = await self._site.first(ORDER, fields, [["name", "=", order_ref]])
        if order is None:
            raise BusinessError(f"ERPNext has no Work Order {order_ref}")
        return order

    async def _entry(self, event_id: str) -> Row | None:
        return await self._site.first(ENTRY, ["docstatus"], [[self._settings.event_id_field, "=", event_id]])

    async def _documents(self, event: MaterialActual) -> list[Document]:
        """What the order's entries say of the event's kind: good pieces, or scrap alone (also where it was cancelled since)."""
        filters: list[Filter] = [
            ["work_order", "=", event.order_ref],
            ["purpose", "=", _MANUFACTURE],
            ["docstatus", "!=", 0],
        ]
        rows = await self._site.rows(ENTRY, ["docstatus", "fg_completed_qty", "process_loss_qty"], filters)
        documents = []
        for row in rows:
            total, loss = quantity_of(row.get("fg_completed_qty")), quantity_of(row.get("process_loss_qty") or 0)
            if event.kind is EventKind.SCRAP and total == loss:
                documents.append(Document(str(row["name"]), "", loss))
            elif event.kind is not EventKind.SCRAP and row.get("docstatus") == 1:
                documents.append(Document(str(row["name"]), "", total - loss))
        return documents


def _is_disassembled(event: Reversal) -> bool:
    """Whether it takes back good pieces, of which a part can be taken."""
    return event.reverses.kind is EventKind.WIP_TO_FG


def _quantities(event: Made) -> tuple[Decimal, Decimal]:
    """Good (or consumed) and lost."""
    if isinstance(event, ProductionPerformance):
        return event.yielded, event.scrapped
    return (Decimal(0), event.quantity) if event.kind is EventKind.SCRAP else (event.quantity, Decimal(0))


def _plain(value: Any) -> Any:
    """A value of an answer as it can be sent back: its fractions as JSON numbers again."""
    match value:
        case Decimal():
            return json_number(value)
        case list():
            return [_plain(part) for part in value]
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case _:
            return value
