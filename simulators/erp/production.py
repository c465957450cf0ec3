"""Manufacturing orders and scrap as Odoo 19 handles them, with the edges that cost money.

- `button_mark_done` on a part of the quantity answers 200 with a wizard and leaves the order open, unless the
  context says `skip_backorder`; with `mo_ids_to_backorder` the rest goes to a backorder of the same origin, and
  both get new names: WH/MO/00001 becomes WH/MO/00001-001 (done) and WH/MO/00001-002 (open).
- Without a `qty_producing` it completes the whole order.
- A done order is not posted again, but nothing stops a second posting to its backorder.
- `action_validate` of a scrap that is done posts it again. Stock may become negative; nothing asks.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulators.erp.calls import CREATE, LOAD, METHODS, Call, Method, create, write
from simulators.erp.errors import UserRefused
from simulators.erp.models import Row
from simulators.erp.store import odoo_time
from simulators.erp.trade import OPEN_ORDER_STATES as OPEN

ORDER = "mrp.production"
WIZARD = {
    "type": "ir.actions.act_window",
    "name": "You produced less than initial demand",
    "res_model": "mrp.production.backorder",
    "view_mode": "form",
    "target": "new",
}


def _confirm(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] == "draft":
            call.store.update(ORDER, number, {"state": "confirmed", "date_start": odoo_time(call.now)}, call.now)
    return True


def _assign(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] in OPEN:
            call.store.update(ORDER, number, {"reservation_state": "assigned"}, call.now)
    return True


def _write(call: Call) -> bool:
    write(call)
    if "qty_producing" in call.arguments["vals"]:
        for number in call.ids:
            order = call.store.get(ORDER, number)
            if order["state"] in OPEN:
                call.store.update(ORDER, number, {"state": _state_by_quantity(order)}, call.now)
    return True


def _state_by_quantity(order: Row) -> str:
    if not order["qty_producing"]:
        return "confirmed"
    return "progress" if order["qty_producing"] < order["product_qty"] else "to_close"


def _set_qty_producing(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] in OPEN:
            call.store.update(ORDER, number, {"consumption_picked": True}, call.now)
    return True


def _mark_done(call: Call) -> Any:
    orders = [call.store.get(ORDER, number) for number in call.ids]
    for order in orders:
        if order["state"] == "draft":
            raise UserRefused(f"You cannot complete {order['name']}: it is not confirmed.")
    orders = [_with_quantity(order) for order in orders if order["state"] in OPEN]
    partial = [order for order in orders if order["qty_producing"] < order["product_qty"]]
    if partial and not call.context.get("skip_backorder"):
        lines = [[0, 0, {"mrp_production_id": order["id"], "to_backorder": True}] for order in partial]
        return {**WIZARD, "context": {"default_mrp_production_backorder_line_ids": lines}}
    to_backorder = call.context.get("mo_ids_to_backorder") or []
    for order in orders:
        splits = order in partial and order["id"] in to_backorder
        name = _split(call, order) if splits else order["name"]
        _post(call, order, name, splits)
    return True


def _with_quantity(order: Row) -> Row:
    if order["qty_producing"]:
        return order
    return {**order, "qty_producing": order["product_qty"], "consumption_picked": True}


def _split(call: Call, order: Row) -> str:
    """Make the backorder of the rest; gives the new name of the order itself."""
    sequence = order["backorder_sequence"] or 1
    base = order["name"].rsplit("-", 1)[0] if order["backorder_sequence"] else order["name"]
    kept = (
        "origin",
        "product_id",
        "product_uom_id",
        "bom_id",
        "picking_type_id",
        "date_start",
        "date_deadline",
        "priority",
        "location_src_id",
        "location_dest_id",
        "reservation_state",
    )
    rest = Decimal(str(order["product_qty"])) - Decimal(str(order["qty_producing"]))
    call.store.create(
        ORDER,
        {
            **{name: order[name] for name in kept},
            "name": f"{base}-{sequence + 1:03d}",
            "backorder_sequence": sequence + 1,
            "product_qty": float(rest),
            "state": "confirmed",
        },
        call.now,
    )
    return f"{base}-{sequence:03d}"


def _post(call: Call, order: Row, name: str, split: bool) -> None:
    quantity = Decimal(str(order["qty_producing"]))
    call.store.update(
        ORDER,
        order["id"],
        {
            "name": name,
            "state": "done",
            "qty_producing": float(quantity),
            "qty_produced": float(quantity),
            "product_qty": float(quantity) if split else order["product_qty"],
            "backorder_sequence": (order["backorder_sequence"] or 1) if split else order["backorder_sequence"],
            "date_finished": odoo_time(call.now),
        },
        call.now,
    )
    _book(call, "produced", order["product_id"], order["location_dest_id"], quantity, order["origin"], name)
    bom = call.store.find("mrp.bom", order["bom_id"]) if order["bom_id"] else None
    if bom is not None and order["consumption_picked"]:
        for number in bom["bom_line_ids"]:
            line = call.store.get("mrp.bom.line", number)
            used = -quantity * Decimal(str(line["product_qty"]))
            _book(call, "consumed", line["product_id"], order["location_src_id"], used, order["origin"], name)


def _book(call: Call, kind: str, product: int, location: int, quantity: Decimal, origin: Any, document: str) -> None:
    if call.store.is_period_closed():
        raise UserRefused("You cannot add or modify entries prior to and inclusive of the lock date 2100-01-01.")
    call.store.move(kind, product, location, str(quantity), origin, document, call.now)


def _create_order(call: Call) -> list[int]:
    numbers = create(call)
    for number in numbers:
        if not call.store.get(ORDER, number)["product_id"]:
            raise UserRefused("The product of a manufacturing order is missing.")
    return numbers


def _validate_scrap(call: Call) -> bool:
    for number in call.ids:
        scrap = call.store.get("stock.scrap", number)
        quantity = Decimal(str(scrap["scrap_qty"]))
        product, document = scrap["product_id"], scrap["name"]
        _book(call, "scrap_out", product, scrap["location_id"], -quantity, scrap["origin"], document)
        _book(call, "scrap", product, scrap["scrap_location_id"], quantity, scrap["origin"], document)
        call.store.update("stock.scrap", number, {"state": "done", "date_done": odoo_time(call.now)}, call.now)
    return True


def _unlink_scrap(call: Call) -> bool:
    for number in call.ids:
        if call.store.get("stock.scrap", number)["state"] == "done":
            raise UserRefused("You cannot delete a scrap which is done.")
        call.store.delete("stock.scrap", number)
    return True


METHODS[ORDER] = {
    "create": Method(_create_order, CREATE.arguments),
    "write": Method(_write, frozenset({"vals"})),
    "action_confirm": Method(_confirm),
    "action_assign": Method(_assign),
    "set_qty_producing": Method(_set_qty_producing),
    "button_mark_done": Method(_mark_done),
}
METHODS["stock.scrap"] = {
    "create": CREATE,
    "load": LOAD,
    "unlink": Method(_unlink_scrap),
    "write": Method(write, frozenset({"vals"})),
    "action_validate": Method(_validate_scrap),
}
