"""What it can do, by the names that the remote procedures have; quantities are decimal strings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from simulators.systems.business import (
    COMPONENT,
    EQUIPMENT,
    PRODUCT,
    Booking,
    Business,
    Order,
    RefusedError,
    Shipment,
    Use,
)

Values = Mapping[str, Any]
_USES: Final = {"wip_to_fg": "good", "scrap": "scrap", "consumed": "consumption", "performance": "confirmation"}
_PAGE: Final = 4
STORES, FINISHED, EMPTY = "STORES", "FINISHED", "YARD"


@dataclass
class Operations:
    """The operations over one business. `drafts` are requests that nobody has submitted yet, by reference."""

    business: Business
    drafts: dict[str, Values] = field(default_factory=dict)
    post_status: str = "posted"  # what is said of a posting

    def call(self, name: str, values: Values) -> Any:
        """Carry out an operation. Raises RefusedError."""
        operation = OPERATIONS.get(name)
        if operation is None:
            raise RefusedError("unknown_operation", f"There is no operation {name}")
        try:
            return operation(self, values)
        except (KeyError, InvalidOperation, ValueError, TypeError) as error:
            raise RefusedError("bad_arguments", f"{name}: {type(error).__name__} {error}") from error

    def order(self, values: Values) -> Any:
        """One order."""
        return _order(self.business.order(str(values["number"])))

    def orders(self, values: Values) -> Any:
        """Those that changed, by fours, with a cursor for the next ones."""
        since = datetime.fromisoformat(values["since"])
        first = int(values.get("cursor") or 0)
        found = [_order(order) for order in self.business.orders.values() if order.changed_at >= since]
        page = found[first : first + _PAGE]
        return {"items": page, "next": str(first + _PAGE) if len(found) > first + _PAGE else None}

    def find(self, values: Values) -> Any:
        """The posting with a reference, or an empty answer."""
        found = [booking for booking in self.business.bookings if booking.reference == values["reference"]]
        return {"id": found[0].id, "quantity": str(abs(found[0].quantity))} if found else {}

    def total(self, values: Values) -> Any:
        """What was posted of one kind to an order; what was taken back since takes nothing from it."""
        order, use = self.business.order(str(values["order"])), _USES[values["kind"]]
        of_kind = [b for b in self.business.bookings if b.order == order.number and b.use == use and b.quantity > 0]
        if values.get("item"):
            of_kind = [booking for booking in of_kind if booking.item == values["item"]]
        return {"total": str(sum((booking.quantity for booking in of_kind), Decimal(0)))}

    def totals(self, values: Values) -> Any:
        """What one order has as made and scrapped, with what was taken back taken off."""
        return _totals(self.business.order(str(values["order"])))

    def all_totals(self, values: Values) -> Any:
        """The same of several orders, those that are known, by fours."""
        asked = values["orders"] if isinstance(values["orders"], list) else [values["orders"]]
        first = int(values.get("cursor") or 0)
        found = [_totals(self.business.orders[number]) for number in asked if number in self.business.orders]
        return {
            "items": found[first : first + _PAGE],
            "next": str(first + _PAGE) if len(found) > first + _PAGE else None,
        }

    def stock(self, values: Values) -> Any:
        """What is there of an item, at one place or (without one) at all; nothing where item or place is not known."""
        item, location = str(values["item"]), str(values.get("location") or "")
        if item not in {PRODUCT, COMPONENT} or location not in {"", STORES, FINISHED, EMPTY}:
            return {}
        is_there = location in {"", STORES if item == COMPONENT else FINISHED}
        return {"item": item, "available": str(self.business.stock[item] if is_there else 0)}

    def post(self, values: Values) -> Any:
        """One posting."""
        common = _common(values)
        kind, order = str(values["kind"]), str(values["order"])
        if kind == "performance":
            scrapped = Decimal(values.get("scrapped") or 0)
            is_end = str(values.get("final")).lower() == "true"
            return self._posted(
                self.business.confirm(order, Decimal(values["quantity"]), scrapped, is_end=is_end, **common)
            )
        item = str(values.get("item") or "") if kind == "consumed" else ""
        use = cast("Use", _USES[kind])
        lot = str(values.get("lot") or "")
        return self._posted(self.business.book(order, use, Decimal(values["quantity"]), item=item, lot=lot, **common))

    def _posted(self, booking: Booking) -> Any:
        return {"id": booking.id, "status": self.post_status}

    def take_back(self, values: Values) -> Any:
        """Part of a posting."""
        original = [b for b in self.business.bookings if b.reference == values["reverses"]]
        if not original:
            raise RefusedError("unknown_posting", f"There is no posting {values['reverses']}")
        first, common = original[0], _common(values)
        common.pop("reason")
        return self._posted(
            self.business.take_back(
                first.order, first.use, Decimal(values["quantity"]), item=first.item, reverses=first.id, **common
            )
        )

    def machine(self, values: Values) -> Any:
        """Whether a machine is known."""
        return {"path": values["path"]} if values["path"] in EQUIPMENT else {}

    def item(self, values: Values) -> Any:
        """Whether an item is known."""
        return {"code": values["code"]} if values["code"] in {PRODUCT, COMPONENT} else {}

    def draft_request(self, values: Values) -> Any:
        """A request that is not submitted yet; the same reference again replaces it."""
        if values["equipment"] not in EQUIPMENT:
            raise RefusedError("unknown_equipment", f"Equipment {values['equipment']} does not exist")
        self.drafts[str(values["reference"])] = values
        return {"ticket": f"T{list(self.drafts).index(str(values['reference'])) + 1}"}

    def submit_request(self, values: Values) -> Any:
        """Submit a draft by its ticket number; a second time is refused."""
        index = int(str(values["ticket"]).removeprefix("T")) - 1
        reference, draft = list(self.drafts.items())[index]
        if any(made.reference == reference for made in self.business.requests):
            raise RefusedError("submitted_before", f"{values['ticket']} is submitted already")
        made = self.business.request(reference, str(draft["equipment"]), str(draft["title"]), dict(draft))
        return {"id": made.id}

    def find_request(self, values: Values) -> Any:
        """The submitted request with a reference, and the draft's ticket."""
        reference = str(values["reference"])
        found: dict[str, Any] = {}
        if reference in self.drafts:
            found["ticket"] = f"T{list(self.drafts).index(reference) + 1}"
        made = [request for request in self.business.requests if request.reference == reference]
        return {**found, "id": made[0].id} if made else found

    def requests(self, values: Values) -> Any:
        """Submitted ones that changed."""
        since = datetime.fromisoformat(values["since"])
        changed = [request for request in self.business.requests if request.changed_at >= since]
        return {
            "items": [{"id": r.id, "state": r.state.upper(), "changed": r.changed_at.isoformat()} for r in changed],
            "next": None,
        }

    def shipments(self, values: Values) -> Any:
        """Those that changed."""
        since = datetime.fromisoformat(values["since"])
        return {"items": [_shipment(one) for one in self.business.shipments if one.changed_at >= since], "next": None}

    def level(self, values: Values) -> Any:
        """What may be promised of an item; the reference is the message's, and a higher sequence holds."""
        key = f"available {values['item']} {values['location']}"
        self.business.stock[key] = Decimal(values["available"])
        self.drafts[str(values["reference"])] = values
        return {"id": values["reference"]}

    def find_level(self, values: Values) -> Any:
        """Whether a level came."""
        return {"id": values["reference"]} if values["reference"] in self.drafts else {}


def _common(values: Values) -> dict[str, Any]:
    return {
        "reference": str(values["reference"]),
        "unit": str(values["unit"]),
        "posting_date": date.fromisoformat(str(values["day"])),
        "reason": str(values.get("reason") or ""),
    }


def _totals(order: Order) -> Any:
    return {
        "order": order.number,
        "good": f"{order.good + order.confirmed:f}",
        "scrap": f"{order.scrap:f}",
        "product": order.product,
    }


def _order(order: Order) -> Any:
    return {
        "number": order.number,
        "product": order.product,
        "quantity": f"{order.quantity:f}",
        "unit": order.unit,
        "state": order.state.upper(),
        "due": order.due.isoformat(),
        "line": order.work_center,
    }


def _shipment(one: Shipment) -> Any:
    return {
        "number": one.number,
        "order": one.order_ref,
        "state": "SHIPPED" if one.shipped_at else "OPEN",
        "created": one.created_at.isoformat(),
        "planned": one.planned_at.isoformat(),
        "due": one.due_at.isoformat(),
        "shipped": one.shipped_at.isoformat() if one.shipped_at else None,
    }


OPERATIONS: Final[dict[str, Callable[[Operations, Values], Any]]] = {
    "order": Operations.order,
    "orders": Operations.orders,
    "find": Operations.find,
    "total": Operations.total,
    "totals": Operations.totals,
    "all_totals": Operations.all_totals,
    "stock": Operations.stock,
    "post": Operations.post,
    "take_back": Operations.take_back,
    "machine": Operations.machine,
    "item": Operations.item,
    "draft_request": Operations.draft_request,
    "submit_request": Operations.submit_request,
    "find_request": Operations.find_request,
    "requests": Operations.requests,
    "shipments": Operations.shipments,
    "level": Operations.level,
    "find_level": Operations.find_level,
}
