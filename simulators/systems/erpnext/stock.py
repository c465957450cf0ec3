"""Stock Entries: drafts made from a Work Order, inserted and submitted, perhaps by a queue; cancelled as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from simulators.systems.business import COMPONENT, Booking, Business, RefusedError
from simulators.systems.erpnext.frappe import FrappeError, Row

MAKE: Final = "erpnext.manufacturing.doctype.work_order.work_order.make_stock_entry"
EVENT_ID: Final = "custom_amor_event_id"
FIELDS: Final = (
    "name", "docstatus", "purpose", "work_order", "fg_completed_qty", "process_loss_qty", "posting_date", EVENT_ID, "modified",
)  # fmt: skip
_MANUFACTURE: Final = "Manufacture"
_CONSUME: Final = "Material Consumption for Manufacture"
_DISASSEMBLE: Final = "Disassemble"
STORES: Final = "Stores - A"
FINISHED: Final = "Finished Goods - A"


def make_stock_entry(business: Business, sent: dict[str, Any]) -> Row:
    """An unsaved draft, as the form gets it; nothing is stored."""
    order = business.order(str(sent.get("work_order_id")))
    purpose, quantity = str(sent.get("purpose")), _number(sent.get("qty"))
    if purpose not in {_MANUFACTURE, _CONSUME, _DISASSEMBLE}:
        raise FrappeError(417, "ValidationError", f"Purpose {purpose} is not allowed")
    if purpose == _MANUFACTURE and order.state != "released":
        raise RefusedError("order_closed", f"For quantity {quantity}: Work Order {order.number} is {order.state}")
    component = {"item_code": COMPONENT, "qty": float(quantity), "uom": order.unit}
    product = {"item_code": order.product, "qty": float(quantity), "uom": order.unit, "is_finished_item": 1}
    is_back = purpose == _DISASSEMBLE
    items = [
        {**component, "t_warehouse" if is_back else "s_warehouse": STORES},
        {**product, "s_warehouse" if is_back else "t_warehouse": FINISHED},
    ]
    return {
        "doctype": "Stock Entry",
        "docstatus": 0,
        "__islocal": 1,
        "purpose": purpose,
        "stock_entry_type": purpose,
        "work_order": order.number,
        "fg_completed_qty": float(quantity),
        "process_loss_qty": 0.0,
        "process_loss_percentage": 0.0,
        "source_stock_entry": sent.get("source_stock_entry"),
        "items": items[:1] if purpose == _CONSUME else items,
    }


@dataclass
class Drafts:
    """What was submitted and waits for the queue."""

    business: Business
    queues: int
    waiting: list[tuple[int, Row]] = field(default_factory=list)
    number: int = 0
    batches: dict[str, str] = field(default_factory=dict)  # name -> item
    sources: list[str] = field(default_factory=list)  # the entries that were taken apart, as the client named them
    unique_remarks: bool = False  # the site's people made another field unique
    collisions: int = 0  # so many numbers are given that are taken, as after a restored backup

    def insert(self, sent: Row) -> Row:
        """A new document; submitted at once, or queued. Raises FrappeError for an event id that is there already."""
        event_id = str(sent.get(EVENT_ID, ""))
        for number, item in enumerate(sent.get("items") or [], 1):
            if item.get("batch_no") and item["batch_no"] not in self.batches:
                raise FrappeError(
                    417, "LinkValidationError", f"Could not find Row #{number}: Batch No: {item['batch_no']}"
                )
        known = {b.reference for b in self.business.bookings} | {row[EVENT_ID] for _, row in self.waiting}
        if (event_id and event_id in known) or (self.unique_remarks and self.business.bookings):
            raise FrappeError(417, "UniqueValidationError", "Event of amor must be unique")
        if sent.get("docstatus") != 1:
            raise FrappeError(417, "ValidationError", "Only submitted entries are taken here")
        if self.collisions:
            self.collisions -= 1
            raise FrappeError(409, "DuplicateEntryError", "Stock Entry MAT-STE-2026-00001 already exists")
        if sent.get("source_stock_entry"):
            self.sources.append(str(sent["source_stock_entry"]))
        if not self.queues:
            return row(_submit(self.business, sent))
        self.number += 1
        draft = {
            **{name: sent.get(name) for name in FIELDS},
            "name": f"MAT-STE-Q-{self.number:05}",
            "docstatus": 0,
            EVENT_ID: event_id,
        }
        self.waiting.append((self.queues, {**draft, "__sent": sent}))
        return draft

    def work(self) -> None:
        """One look at the queue: what has waited long enough is submitted; what is refused stays a draft."""
        still = []
        for left, draft in self.waiting:
            if left > 1:
                still.append((left - 1, draft))
                continue
            try:
                booking = _submit(self.business, draft["__sent"])
                booking.fields["name"] = draft["name"]
            except (RefusedError, FrappeError):
                still.append((1, draft))
        self.waiting = still

    def rows(self) -> list[Row]:
        """The drafts."""
        return [{name: draft.get(name) for name in FIELDS} for _, draft in self.waiting]

    def enter_batch(self, sent: Row) -> Row:
        """A new batch, named by its id. Raises FrappeError for a second one of the name."""
        name = str(sent.get("batch_id", ""))
        if name in self.batches:
            raise FrappeError(409, "DuplicateEntryError", f"Batch {name} already exists")
        self.batches[name] = str(sent.get("item"))
        return {"name": name, "batch_id": name, "item": self.batches[name]}

    def cancel(self, name: str, sent: Row) -> Row:
        """`docstatus` 2: the whole document is taken back."""
        booking = next((b for b in self.business.bookings if "purpose" in b.fields and row(b)["name"] == name), None)
        if booking is None or sent.get("docstatus") != 2:
            raise FrappeError(404, "DoesNotExistError", f"Stock Entry {name} not found")
        if booking.is_reversed:
            raise FrappeError(417, "ValidationError", "Cannot edit cancelled document")
        mirrored = self.business.reverse(booking, "", booking.posting_date)
        mirrored.fields = {}
        return row(booking)


def row(booking: Booking) -> Row:
    """A Stock Entry as it is listed."""
    return {
        "docstatus": 2 if booking.is_reversed else 1,
        "work_order": booking.order,
        "posting_date": booking.posting_date.isoformat(),
        EVENT_ID: booking.reference,
        "modified": f"{booking.posting_date} 00:00:00.000000",
        "name": f"MAT-STE-2026-{booking.id:05}",
        **booking.fields,
    }


def _submit(business: Business, sent: Row) -> Booking:
    purpose, order = str(sent.get("purpose")), str(sent.get("work_order", ""))
    total, loss = _number(sent.get("fg_completed_qty")), _number(sent.get("process_loss_qty", 0))
    day = date.fromisoformat(str(sent.get("posting_date")))
    items = sent.get("items") or []
    unit = str(items[0].get("uom", business.unit)) if items else ""
    fields = {"purpose": purpose, "fg_completed_qty": float(total), "process_loss_qty": float(loss)}
    common: dict[str, Any] = {
        "reference": str(sent.get(EVENT_ID, "")), "unit": unit, "posting_date": day, "fields": fields,
    }  # fmt: skip
    if any(not _number(item.get("qty")) for item in items):
        raise FrappeError(417, "InvalidQtyError", "Quantity for Item cannot be zero.")
    if purpose == _CONSUME and loss:
        return business.book(order, "scrap", loss, **common)
    if purpose == _CONSUME:
        taken = items[0]
        return business.book(order, "consumption", _number(taken["qty"]), item=str(taken["item_code"]), **common)
    if purpose == _DISASSEMBLE:
        return business.take_back(order, "good", total, **common)
    if not any(item.get("is_finished_item") for item in items):
        raise FrappeError(417, "FinishedGoodError", "There must be atleast 1 Finished Good in this Stock Entry")
    finished = sum((_number(item["qty"]) for item in items if item.get("is_finished_item")), Decimal(0))
    if finished + loss != total:
        raise FrappeError(417, "FinishedGoodError", f"Finished goods {finished} and loss {loss} are not {total}")
    return business.book_with_loss(order, finished, loss, **common)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FrappeError(417, "ValidationError", f"{value!r} is no number")
    return Decimal(repr(value))
