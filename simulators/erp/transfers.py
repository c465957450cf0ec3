"""Transfers (stock.picking) and their moves, as stock of Odoo 19 handles them.

- `button_validate` leaves out what is done already, so that a second one books nothing. A draft is confirmed and all of it is
  moved; an empty transfer, or one of nothing, is refused.
- Out of a virtual location (scrap, production) anything can be moved: nothing is reserved there.
- The operation type of a done transfer cannot be written; its locations are written to its moves.
- A move that is added to a done transfer is done, without having moved anything.
"""

from __future__ import annotations

from typing import Any

from simulators.erp.calls import CREATE, LOAD, METHODS, WRITE, Call, Method, write
from simulators.erp.components import CLOSED, MOVE, exact
from simulators.erp.errors import UserRefused
from simulators.erp.models import Row
from simulators.erp.production import book
from simulators.erp.store import odoo_time

PICKING = "stock.picking"
_LOCATIONS = ("location_id", "location_dest_id")


def _create(call: Call) -> list[int]:
    return [_made(call, values) for values in call.list_of("vals_list")]


def _made(call: Call, values: Row) -> int:
    if not values.get("picking_type_id"):
        raise UserRefused("Missing required value for the field 'Operation Type' (picking_type_id).")
    operation = call.store.get("stock.picking.type", values["picking_type_id"])
    code = operation["sequence_code"]
    given = {"name": f"WH/{code}/{call.store.count_up(f'name:{PICKING}:{code}'):05d}", **values}
    return call.store.create(PICKING, {**given, "state": "draft", "picking_type_code": operation["code"]}, call.now)


def _write(call: Call) -> bool:
    values = call.arguments.get("vals") or {}
    for number in call.ids:
        if "picking_type_id" in values and call.store.get(PICKING, number)["state"] in CLOSED:
            raise UserRefused("Changing the operation type of this record is forbidden at this point.")
    write(call)
    places = {name: values[name] for name in _LOCATIONS if values.get(name)}
    for move in [move for number in call.ids for move in _moves(call, number)]:
        call.store.update(MOVE, move["id"], places, call.now)
    return True


def _moves(call: Call, picking: int) -> list[Row]:
    return [move for move in call.store.rows(MOVE) if move["picking_id"] == picking]


def _validate(call: Call) -> bool:
    pickings = [call.store.get(PICKING, number) for number in call.ids]
    for picking in [picking for picking in pickings if picking["state"] != "done"]:
        _carry_out(call, picking)
    return True


def _carry_out(call: Call, picking: Row) -> None:
    moves = _moves(call, picking["id"])
    if not moves:
        raise UserRefused(
            "You can't validate an empty transfer. Please add some products to move before proceeding."  # Odoo's is curly
        )
    todo = [move for move in moves if move["state"] not in CLOSED]
    quantities = [exact(move["quantity"]) or exact(move["product_uom_qty"]) for move in todo]
    if not any(quantities):
        raise UserRefused("Transfer trouble alert! Validating a zero quantity transfer?")
    products = [call.store.get("product.product", move["product_id"]) for move in todo]
    if tracked := [product["name"] for product in products if product["tracking"] != "none"]:
        raise UserRefused(f"You need to supply a Lot/Serial number for products {', '.join(tracked)}.")
    for move, quantity in zip(todo, quantities, strict=True):
        for place, moved in ((move["location_id"], -quantity), (move["location_dest_id"], quantity)):
            book(call, "transferred", move["product_id"], place, moved, picking["origin"], picking["name"])
        values = {"quantity": float(quantity), "picked": True, "state": "done"}
        call.store.update(MOVE, move["id"], values, call.now)
    call.store.update(PICKING, picking["id"], {"state": "done", "date_done": odoo_time(call.now)}, call.now)


def _cancel(call: Call) -> bool:
    for number in call.ids:
        moves = _moves(call, number)
        if any(move["state"] == "done" for move in moves):
            raise UserRefused("You cannot cancel a stock move that has been set to 'Done'.")
        for move in moves:
            call.store.update(MOVE, move["id"], {"state": "cancel", "quantity": 0.0}, call.now)
        call.store.update(PICKING, number, {"state": "cancel"}, call.now)
    return True


def _create_moves(call: Call) -> list[int]:
    numbers = []
    for values in call.list_of("vals_list"):
        picking = call.store.get(PICKING, values["picking_id"]) if values.get("picking_id") else None
        state = "done" if picking is not None and picking["state"] == "done" else "draft"
        numbers.append(call.store.create(MOVE, {**values, "state": state, "picked": state == "done"}, call.now))
    return numbers


def _unlink(call: Call) -> Any:
    for number in call.ids:
        for move in _moves(call, number):
            if move["state"] == "done":
                raise UserRefused("You cannot cancel a stock move that has been set to 'Done'.")
            call.store.delete(MOVE, move["id"])
        call.store.delete(PICKING, number)
    return True


METHODS[PICKING] = {
    "create": Method(_create, CREATE.arguments),
    "write": Method(_write, WRITE.arguments),
    "load": LOAD,
    "unlink": Method(_unlink),
    "button_validate": Method(_validate),
    "action_cancel": Method(_cancel),
}
METHODS[MOVE] |= {"create": Method(_create_moves, CREATE.arguments), "load": LOAD}
