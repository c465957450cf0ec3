"""Pieces, scrap, consumption and performance as Stock Entries of a Work Order.

The site makes the draft (components by its bill of materials); quantities, our id and the posting date are set, and it is
inserted submitted, which a site does in one transaction. The id stands in a unique custom field, so that a second one is refused
(UniqueValidationError). An entry that is a draft all the same (a site's own queue or workflow) is waited for.

A Manufacture entry without finished goods is refused by ERPNext (stock_entry.py, validate_finished_goods), so that scrap alone
is the consumption of what the pieces were made of: Material Consumption for Manufacture, with the scrap in `process_loss_qty`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.connector import Found
from bridge.erp.erpnext.site import Filter, Row, Site, resource
from bridge.erp.http import Request
from bridge.erp.posting import Document, check_same, check_total, json_number, local_time, order_unit, quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

ENTRY: Final = "Stock Entry"
ORDER: Final = "Work Order"
BATCH: Final = "Batch"
MAKE: Final = "erpnext.manufacturing.doctype.work_order.work_order.make_stock_entry"
OPEN: Final = frozenset({"Not Started", "In Process", "Stock Reserved", "Stock Partially Reserved"})
MANUFACTURE: Final = "Manufacture"
CONSUME: Final = "Material Consumption for Manufacture"
DISASSEMBLE: Final = "Disassemble"
_CANCELLED: Final = 2  # docstatus
_ALL_STEPS: Final = 2  # of a plan: a batch and its entry
_UNSAVED: Final = frozenset({"name", "owner", "creation", "modified", "modified_by", "__islocal", "__unsaved"})

Made = MaterialActual | ProductionPerformance


class StockEntries:
    """The Stock Entries of a site's Work Orders."""

    def __init__(self, settings: ErpNextSettings, site: Site, units: Units) -> None:
        self._settings = settings
        self._site = site
        self._units = units

    async def find(self, event: Made | Reversal) -> Found:
        """The entry with the event's id; a draft of it counts as sent and not yet posted. A cancelled one was posted.

        Where there is none, none of the steps stands there any more, whatever was answered to them: a draft may be deleted.
        """
        if isinstance(event, Reversal) and not _is_disassembled(event):
            original = await self._entry(str(event.reverses.event_id))
            is_cancelled = original is not None and original.get("docstatus") == _CANCELLED
            return Found(is_cancelled, str(original["name"]) if original is not None and is_cancelled else None, 0)
        if _says_nothing(event):
            return Found(is_posted=True, external_id=str((await self._order(event.order_ref))["name"]))
        entry = await self._entry(str(event.event_id))
        if entry is None:
            return Found(is_posted=False, steps_done=0)
        await self._check_same(event, entry)
        is_posted = entry.get("docstatus") != 0
        return Found(is_posted, str(entry["name"]), None if is_posted else _ALL_STEPS)

    async def plan(self, event: Made) -> list[Request]:
        """A new batch's request and the entry's; none where the site has it.

        Raises BusinessError where order, unit, quantity, batch or total do not fit.
        """
        if _says_nothing(event) or (await self.find(event)).external_id is not None:
            return []
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
        draft = await self._filled(event, order, good, loss, unit)
        at = event.ended_at if isinstance(event, ProductionPerformance) else event.occurred_at
        return [*await self._new_batch(event, order), self._insert(draft, event, at)]

    async def plan_reversal(self, event: Reversal) -> Request | None:
        """Good pieces go apart again (Disassemble) in the quantity; any other entry is cancelled, which is possible as a whole only."""
        if (await self.find(event)).external_id is not None:
            return None
        original = await self._entry(str(event.reverses.event_id))
        if original is None:
            raise BusinessError(
                f"Work Order {event.order_ref}: ERPNext has no entry of the event {event.reverses.event_id}"
            )
        name = str(original["name"])
        if _is_disassembled(event):
            if original.get("docstatus") == _CANCELLED:
                raise BusinessError(
                    f"{name} was cancelled in ERPNext: there is nothing left of it that could be taken back"
                )
            order = await self._order(event.order_ref)
            quantity = self._quantity(event.quantity, event.reverses, order)
            draft = await self._draft(event.order_ref, DISASSEMBLE, quantity, source_stock_entry=name)
            return self._insert(draft, event, event.occurred_at)
        whole = sum(_quantities(event.reverses))
        if event.quantity != whole:
            raise BusinessError(
                f"ERPNext cancels {name} as a whole, and {event.quantity} of {whole} are to be taken back: cancel it there and "
                "enter what remains"
            )
        return Request("PUT", resource(ENTRY, name), is_repeatable=True, json={"docstatus": _CANCELLED})

    async def is_cancelled(self, path: str) -> bool:
        """Whether the entry with this path is cancelled: cancelling it again is refused, and is none the less done."""
        row = await self._site.first(ENTRY, ["docstatus"], [["name", "=", unquote(path.rpartition("/")[2])]])
        return row is not None and row.get("docstatus") == _CANCELLED

    async def has_entry(self, document: Row) -> bool:
        """Whether the site has an entry with the event's id of this one."""
        return (await self._entry(str(document.get(self._settings.event_id_field)))) is not None

    async def _new_batch(self, event: Made, order: Row) -> list[Request]:
        """The batch of produced pieces, where the site does not have it: it links to batches only that are there.

        A second one of the name is refused, because the name is the key. Raises BusinessError where it is another item's.
        """
        if not isinstance(event, MaterialActual) or event.kind is not EventKind.WIP_TO_FG or not event.lot:
            return []
        item = str(order["production_item"])
        there = await self._site.first(BATCH, ["item"], [["name", "=", event.lot]])
        if there is None:
            document = {"batch_id": event.lot, "item": item}
            return [Request("POST", resource(BATCH), is_repeatable=True, json=document)]
        if there.get("item") != item:
            raise BusinessError(
                f"Batch {event.lot} is one of {there.get('item')} in ERPNext, and Work Order {event.order_ref} makes {item}: "
                "correct the lot of this event and replay it"
            )
        return []

    async def _filled(self, event: Made, order: Row, good: Decimal, loss: Decimal, unit: str) -> dict[str, Any]:
        """The site's draft with the event's quantities, lot, serials and place."""
        total, lost = self._quantity(good + loss, event, order), self._quantity(loss, event, order)
        is_consumed = event.kind is EventKind.CONSUMED
        draft = await self._draft(event.order_ref, CONSUME if is_consumed else MANUFACTURE, total)
        if is_consumed:
            draft["items"] = [self._consumed(draft, event, order, unit)]
        elif not good:
            draft |= {"purpose": CONSUME, "stock_entry_type": CONSUME, "items": _components(draft, event)}
        else:
            draft["items"] = self._made(draft, event, total - lost)
        draft.pop("process_loss_percentage", None)  # the site's own, of the draft's quantity
        return draft | {"process_loss_qty": json_number(lost)}

    async def _draft(self, order_ref: str, purpose: str, quantity: Decimal, **more: str) -> dict[str, Any]:
        # Frappe leaves out arguments that an older version of the method does not have.
        arguments = {"work_order_id": order_ref, "purpose": purpose, "qty": json_number(quantity), **more}
        made = await self._site.method(MAKE, arguments)
        return {name: _plain(value) for name, value in made.items() if name not in _UNSAVED}

    def _insert(self, draft: dict[str, Any], event: Made | Reversal, at: datetime) -> Request:
        local = local_time(at, self._settings.time_zone)
        told = self._settings.reasons.get(event.reason, event.reason)
        reason = f", {told}" if told else ""
        lot = f", lot {event.lot}" if isinstance(event, MaterialActual) and event.lot else ""
        document = draft | {
            "docstatus": 1,
            "set_posting_time": 1,
            "posting_date": f"{local:%Y-%m-%d}",
            "posting_time": f"{local:%H:%M:%S}",
            "remarks": f"amor {event.kind} {event.order_ref} {event.sequence}{reason}{lot}",
            self._settings.event_id_field: str(event.event_id),
        }
        return Request("POST", resource(ENTRY), is_repeatable=False, json=document)

    def _consumed(self, draft: Row, event: Made, order: Row, unit: str) -> dict[str, Any]:
        """The row of the consumed item alone, as the draft has it."""
        assert isinstance(event, MaterialActual)
        code = self._units.code(event.item)
        row = next((dict(row) for row in draft.get("items", []) if row.get("item_code") == code), {"item_code": code})
        quantity = json_number(self._quantity(event.quantity, event, order))
        return row | {"qty": quantity} | ({"uom": unit} if unit else {}) | self._marks(event, "s_warehouse")

    def _made(self, draft: Row, event: Made, good: Decimal) -> list[dict[str, Any]]:
        """The draft's rows with what is good of the finished item."""
        rows: list[dict[str, Any]] = [dict(row) for row in draft.get("items", [])]
        for row in rows:
            if row.get("is_finished_item"):
                row["qty"] = json_number(good)
                row.update(self._marks(event, "t_warehouse") if isinstance(event, MaterialActual) else {})
        return rows

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
        fields = ["name", "production_item", "stock_uom", "status", "docstatus"]
        order = await self._site.first(ORDER, fields, [["name", "=", order_ref]])
        if order is None:
            raise BusinessError(f"ERPNext has no Work Order {order_ref}")
        return order

    async def _entry(self, event_id: str) -> Row | None:
        fields = ["docstatus", "fg_completed_qty", "process_loss_qty"]
        return await self._site.first(ENTRY, fields, [[self._settings.event_id_field, "=", event_id]])

    async def _check_same(self, event: Made | Reversal, entry: Row) -> None:
        """Raise BusinessError where the entry with the event's id is of other pieces; what was consumed stands in its rows only."""
        if isinstance(event, Reversal) or event.kind is EventKind.CONSUMED:
            return
        order = await self._order(event.order_ref) if self._units.has_factors else {}
        good, lost = (self._quantity(each, event, order) for each in _quantities(event))
        loss = quantity_of(entry.get("process_loss_qty") or 0)
        there = quantity_of(entry.get("fg_completed_qty")) - loss if good else Decimal(0)
        check_same(event.order_ref, str(entry["name"]), [there, loss], [good, lost])

    async def _documents(self, event: MaterialActual) -> list[Document]:
        """What the order's entries say of the event's kind: good pieces, or scrap alone (also where it was cancelled since)."""
        is_scrap = event.kind is EventKind.SCRAP
        filters: list[Filter] = [
            ["work_order", "=", event.order_ref],
            ["purpose", "=", CONSUME if is_scrap else MANUFACTURE],
            ["docstatus", "!=", 0],
        ]
        rows = await self._site.rows(ENTRY, ["docstatus", "fg_completed_qty", "process_loss_qty"], filters)
        documents = []
        for row in rows:
            total, loss = quantity_of(row.get("fg_completed_qty")), quantity_of(row.get("process_loss_qty") or 0)
            if is_scrap:
                documents.append(Document(str(row["name"]), "", loss))
            elif row.get("docstatus") != _CANCELLED:
                documents.append(Document(str(row["name"]), "", total - loss))
        return documents


def _is_disassembled(event: Reversal) -> bool:
    """Whether it takes back good pieces and nothing else, of which a part can be taken."""
    match event.reverses:
        case ProductionPerformance() as performance:
            return not performance.scrapped
        case MaterialActual() as actual:
            return actual.kind is EventKind.WIP_TO_FG


def _components(draft: Row, event: Made) -> list[dict[str, Any]]:
    """The draft's rows of what goes into the pieces. Raises BusinessError where it has none."""
    rows = [dict(row) for row in draft.get("items", []) if row.get("s_warehouse") and not row.get("is_finished_item")]
    if not rows:
        raise BusinessError(
            f"Work Order {event.order_ref}: ERPNext's draft names no components that the scrapped pieces used: they are consumed "
            "by entries of their own there; enter the scrap in ERPNext and mark this event as done"
        )
    return rows


def _says_nothing(event: Made | Reversal) -> bool:
    """Whether it only tells that a machine is done with the order: a Work Order completes itself, and no entry is without pieces."""
    return isinstance(event, ProductionPerformance) and not (event.yielded or event.scrapped)


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
