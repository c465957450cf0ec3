"""Manufacturing orders as mrp of Odoo 19 handles them, with the edges that cost money.

- `button_mark_done` on a part of the quantity answers 200 with a wizard and leaves the order open, unless the
  context says `skip_backorder`; with `mo_ids_to_backorder` the rest goes to a backorder of the same origin, and
  both get new names: WH/MO/00001 becomes WH/MO/00001-001 (done) and WH/MO/00001-002 (open).
- It answers with another wizard where the components picked are not those of the bill of materials and that does not
  allow it, unless the context says `skip_consumption`.
- Without a `qty_producing` it completes the whole order; without a lot for a tracked product it makes one up.
- A done order is not posted again: completed in part it is an error, as its backorder would have nothing to make;
  completed in full nothing happens. But nothing stops a second posting to its backorder.
- `qty_producing` of a done order can be written, which corrects the stock to it.
- A draft is confirmed on the way. A cancelled order is marked done too, with nothing made; what it was to make more goes to a
  backorder that is open again.
- `set_qty_producing` answers null. An order whose operation type prints (`prints_when_done`) is done, and answers with an action.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from simulators.erp import components
from simulators.erp.calls import CREATE, METHODS, Call, Method, create, write
from simulators.erp.components import MOVE, ORDER, exact
from simulators.erp.errors import UserRefused
from simulators.erp.lots import check_lots, give_lot, untracked
from simulators.erp.models import Row
from simulators.erp.store import odoo_time
from simulators.erp.trade import OPEN_ORDER_STATES as OPEN

BACKORDER = ("You produced less than initial demand", "mrp.production.backorder")
CONSUMPTION = ("Consumption Warning", "mrp.consumption.warning")
SERIALS = ("Assign Serial Numbers", "mrp.assign.serial")

PRINTS = {"type": "ir.actions.client", "tag": "do_multi_print", "context": {}, "params": {"reports": []}}


def wizard(name: str, model: str, **context: Any) -> Row:
    """An action that would open a window, which is how Odoo asks a person."""
    shown = {"type": "ir.actions.act_window", "name": name, "res_model": model, "view_mode": "form", "target": "new"}
    return {**shown, "context": context}


def book(call: Call, kind: str, product: int, location: int, quantity: Decimal, origin: Any, document: str) -> None:
    """Move stock; raises UserRefused where the books are closed."""
    if call.store.is_period_closed():
        raise UserRefused("You cannot add or modify entries prior to and inclusive of the lock date 2100-01-01.")
    call.store.move(kind, product, location, str(quantity), origin, document, call.now)


def _confirm(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] == "draft":
            call.store.update(ORDER, number, {"state": "confirmed", "date_start": odoo_time(call.now)}, call.now)
            components.plan(call.store, number, call.now)
    return True


def _assign(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] in OPEN:
            call.store.update(ORDER, number, {"reservation_state": "assigned"}, call.now)
    return True


def _write(call: Call) -> bool:
    before = {number: call.store.get(ORDER, number) for number in call.ids}
    write(call)
    for number, old in before.items():
        order = call.store.get(ORDER, number)
        if "qty_producing" in call.arguments["vals"]:
            _producing(call, order, old)
        if order["lot_producing_ids"] and _product(call, order)["tracking"] == "lot" and order["lot_producing_ids"][1:]:
            raise UserRefused("You cannot set more than 1 lot")
    return True


def _producing(call: Call, order: Row, old: Row) -> None:
    if order["state"] in OPEN:
        call.store.update(ORDER, order["id"], {"state": _state_by_quantity(order)}, call.now)
    elif order["state"] == "done":
        more = exact(order["qty_producing"]) - exact(old["qty_produced"])
        if more:
            book(call, "produced", order["product_id"], order["location_dest_id"], more, order["origin"], order["name"])
        call.store.update(ORDER, order["id"], {"qty_produced": order["qty_producing"]}, call.now)


def _state_by_quantity(order: Row) -> str:
    if not order["qty_producing"]:
        return "confirmed"
    return "progress" if order["qty_producing"] < order["product_qty"] else "to_close"


def _product(call: Call, order: Row) -> Row:
    return call.store.get("product.product", order["product_id"])


def _set_qty_producing(call: Call) -> None:
    for number in call.ids:
        order = call.store.get(ORDER, number)
        if order["state"] not in OPEN:
            continue
        if _product(call, order)["tracking"] == "serial" and order["qty_producing"] != order["product_qty"]:
            serials = float(len(order["lot_producing_ids"]))
            call.store.update(ORDER, number, {"qty_producing": serials}, call.now)
        components.set_quantities(call.store, call.store.get(ORDER, number), call.now)


def _mark_done(call: Call) -> Any:
    orders = [call.store.get(ORDER, number) for number in call.ids]
    to_backorder = call.context.get("mo_ids_to_backorder") or []
    for order in orders:
        if order["state"] == "done" and order["id"] in to_backorder:
            raise UserRefused("The quantity to produce must be positive!")
        check_lots(call, order)
    _confirm(replace(call, ids=[order["id"] for order in orders]))
    orders = [order for order in orders if order["state"] in (*OPEN, "draft", "cancel")]
    if (asked := _before_done(call, orders)) is not None:
        return asked
    for order in [call.store.get(ORDER, order["id"]) for order in orders]:
        splits = order["qty_producing"] < order["product_qty"] and order["id"] in to_backorder
        _post(call, order, _split(call, order) if splits else order["name"], splits)
    return PRINTS if any(order["prints_when_done"] for order in orders) else True


def _before_done(call: Call, orders: list[Row]) -> Row | None:
    """What `pre_button_mark_done` does: quantities that nobody gave, and the questions to a person."""
    for order in orders:
        if not order["lot_producing_ids"] and not untracked(call, order):
            if _product(call, order)["tracking"] == "serial" and order["product_qty"] != 1:
                return wizard(*SERIALS, default_production_id=order["id"])
            give_lot(call, order)
        if not order["qty_producing"]:
            call.store.update(ORDER, order["id"], {"qty_producing": order["product_qty"]}, call.now)
            components.set_quantities(call.store, call.store.get(ORDER, order["id"]), call.now, picks_manual=True)
        components.pick_manual(call.store, order, call.now)
    orders = [call.store.get(ORDER, order["id"]) for order in orders]
    if not call.context.get("skip_consumption") and any(components.deviates(call.store, order) for order in orders):
        return wizard(*CONSUMPTION)
    partial = [order for order in orders if order["qty_producing"] < order["product_qty"]]
    if partial and not call.context.get("skip_backorder"):
        lines = [[0, 0, {"mrp_production_id": order["id"], "to_backorder": True}] for order in partial]
        return wizard(*BACKORDER, default_mrp_production_backorder_line_ids=lines)
    return None


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
        "consumption",
        "workorder_ids",
    )
    rest = exact(order["product_qty"]) - exact(order["qty_producing"])
    values = {
        **{name: order[name] for name in kept},
        "name": f"{base}-{sequence + 1:03d}",
        "backorder_sequence": sequence + 1,
        "product_qty": float(rest),
        "state": "confirmed",
    }
    backorder = call.store.create(ORDER, values, call.now)
    components.split(call.store, order, backorder, call.now)
    return f"{base}-{sequence:03d}"


def _post(call: Call, order: Row, name: str, split: bool) -> None:
    quantity = exact(order["qty_producing"]) if order["state"] != "cancel" else Decimal()
    call.store.update(
        ORDER,
        order["id"],
        {
            "name": name,
            "state": "done",
            "qty_produced": float(quantity),
            "product_qty": float(exact(order["qty_producing"])) if split else order["product_qty"],
            "backorder_sequence": (order["backorder_sequence"] or 1) if split else order["backorder_sequence"],
            "date_finished": odoo_time(call.now),
        },
        call.now,
    )
    if quantity:
        book(call, "produced", order["product_id"], order["location_dest_id"], quantity, order["origin"], name)
    taken = components.post(call.store, order)
    for move, used in taken:
        book(call, "consumed", move["product_id"], move["location_id"], -used, order["origin"], name)
        call.store.update(MOVE, move["id"], {"state": "done"}, call.now)
    for move in components.open_moves(call.store, order["id"]):
        call.store.update(MOVE, move["id"], {"state": "cancel", "picked": False, "quantity": 0.0}, call.now)


def _cancel(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(ORDER, number)["state"] == "done":
            raise UserRefused("You cannot cancel a manufacturing order that is already done.")
        call.store.update(ORDER, number, {"state": "cancel"}, call.now)
        for move in components.open_moves(call.store, number):
            call.store.update(MOVE, move["id"], {"state": "cancel", "picked": False, "quantity": 0.0}, call.now)
    return True


def _create_order(call: Call) -> list[int]:
    numbers = create(call)
    for number in numbers:
        if not call.store.get(ORDER, number)["product_id"]:
            raise UserRefused("The product of a manufacturing order is missing.")
    return numbers


def _message_post(call: Call) -> list[int]:
    given: Row = {
        name: call.arguments[name] for name in ("body", "message_type", "subtype_xmlid") if name in call.arguments
    }
    [number] = call.ids
    call.store.get(ORDER, number)
    return [call.store.create("mail.message", {**given, "model": ORDER, "res_id": number}, call.now)]


def _write_move(call: Call) -> bool:
    values = call.arguments.get("vals")
    for number in call.ids:
        move, more = components.written(call.store, number, dict(values or {}), call.now)
        if more:
            order = call.store.get(ORDER, move["raw_material_production_id"])
            book(call, "consumed", move["product_id"], move["location_id"], -more, order["origin"], order["name"])
    return True


METHODS[ORDER] = {
    "create": Method(_create_order, CREATE.arguments),
    "write": Method(_write, frozenset({"vals"})),
    "action_confirm": Method(_confirm),
    "action_assign": Method(_assign),
    "action_cancel": Method(_cancel),
    "set_qty_producing": Method(_set_qty_producing),
    "button_mark_done": Method(_mark_done),
    "message_post": Method(_message_post, frozenset({"body", "message_type", "subtype_xmlid"})),
}
METHODS[MOVE] = {"write": Method(_write_move, frozenset({"vals"}))}
