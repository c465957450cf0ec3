"""Components of manufacturing orders: the raw moves of stock.move, as mrp of Odoo 19 plans, picks, splits and books them.

- A move's `quantity` is what is reserved for it, until it is `picked`: then it is what was taken.
- `set_qty_producing` picks the bill of materials' share, and overwrites what was picked before unless the move is one of
  manual consumption.
- What is picked is booked when its order is done; what is not, or is picked with nothing, is cancelled then. The moves of
  a backorder begin anew, with the bill of materials' share of the rest.
- The quantity of a done move can be written, which corrects the stock; that of a cancelled one cannot.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulators.erp.errors import UserRefused
from simulators.erp.models import Row
from simulators.erp.store import Store

ORDER, MOVE = "mrp.production", "stock.move"
CLOSED = ("done", "cancel")


def plan(store: Store, order: int, now: datetime) -> None:
    """Give a confirmed order the moves of its bill of materials, with all that they want reserved."""
    row = store.get(ORDER, order)
    bom = store.find("mrp.bom", row["bom_id"]) if row["bom_id"] else None
    if bom is None or store.components(order):
        return
    store.update(ORDER, order, {"consumption": bom["consumption"]}, now)
    for number in bom["bom_line_ids"]:
        line = store.get("mrp.bom.line", number)
        wanted = _round(store, exact(row["product_qty"]) * exact(line["product_qty"]) / exact(bom["product_qty"]))
        _reserve(store, row, {**line, "bom_line_id": number, "product_uom": line["product_uom_id"]}, wanted, now)


def set_quantities(store: Store, order: Row, now: datetime, *, picks_manual: bool = False) -> None:
    """What `_set_qty_producing` does: the share of what is being produced, picked."""
    for move in store.components(order["id"]):
        if move["state"] in CLOSED or not move["product_uom_qty"] or (move["picked"] and move["manual_consumption"]):
            continue
        share = exact(move["product_uom_qty"]) * exact(order["qty_producing"]) / exact(order["product_qty"])
        picked = move["picked"] or ((picks_manual or not move["manual_consumption"]) and share > 0)
        store.update(MOVE, move["id"], {"quantity": float(_round(store, share)), "picked": picked}, now)


def pick_manual(store: Store, order: Row, now: datetime) -> None:
    """What completing an order picks that nobody did."""
    for move in store.components(order["id"]):
        if move["manual_consumption"] and move["state"] not in CLOSED:
            store.update(MOVE, move["id"], {"picked": True}, now)


def deviates(store: Store, order: Row) -> bool:
    """Whether something else is picked than the bill of materials says."""
    if order["consumption"] == "flexible" or not order["bom_id"]:
        return False
    bom = store.get("mrp.bom", order["bom_id"])
    expected: dict[int, Decimal] = {}
    for number in bom["bom_line_ids"]:
        line = store.get("mrp.bom.line", number)
        share = exact(line["product_qty"]) * exact(order["qty_producing"]) / exact(bom["product_qty"])
        expected[line["product_id"]] = expected.get(line["product_id"], Decimal()) + share
    picked: dict[int, Decimal] = {}
    for move in store.components(order["id"]):
        if move["picked"]:
            picked[move["product_id"]] = picked.get(move["product_id"], Decimal()) + exact(move["quantity"])
    return any(_round(store, picked.get(part, Decimal())) != _round(store, share) for part, share in expected.items())


def split(store: Store, order: Row, rest: int, now: datetime) -> None:
    """Share what an order wants with its backorder; what is picked stays, what is only reserved goes along."""
    backorder, whole = store.get(ORDER, rest), exact(order["product_qty"])
    for move in store.components(order["id"]):
        unit = exact(move["product_uom_qty"]) / whole
        wanted = _round(store, unit * exact(order["qty_producing"]))
        store.update(MOVE, move["id"], {"product_uom_qty": float(wanted)}, now)
        _reserve(store, backorder, move, _round(store, unit * exact(backorder["product_qty"])), now)


def post(store: Store, order: Row) -> list[tuple[Row, Decimal]]:
    """The moves that completing an order books, with what of them."""
    return [
        (move, exact(move["quantity"]))
        for move in store.components(order["id"])
        if move["state"] not in CLOSED and move["picked"] and move["quantity"] > 0
    ]


def open_moves(store: Store, order: int) -> list[Row]:
    """The moves of an order that are neither booked nor cancelled."""
    return [move for move in store.components(order) if move["state"] not in CLOSED]


def components_done(store: Store, order: int) -> list[Row]:
    """The moves of an order that were booked."""
    return [move for move in store.components(order) if move["state"] == "done"]


def written(store: Store, number: int, values: Row, now: datetime) -> tuple[Row, Decimal]:
    """Write a move; gives the move, and what of a done one is taken more than before."""
    move = store.get(MOVE, number)
    quantity = exact(values.get("quantity", move["quantity"]))
    if "quantity" in values and move["state"] == "cancel":
        raise UserRefused("You cannot change a cancelled stock move, create a new line instead.")
    if "product_uom" in values and move["state"] == "done":
        raise UserRefused("You cannot change the UoM for a stock move that has been set to 'Done'.")
    if quantity < 0:
        raise UserRefused("Please enter a positive quantity.")
    if quantity != _round(store, quantity):
        raise UserRefused(
            "The quantity done for the product doesn't respect the rounding precision defined on the system."
        )
    store.update(MOVE, number, {**values, **({"picked": True} if move["state"] == "done" else {})}, now)
    if values.get("picked") and move["raw_material_production_id"]:
        order = store.get(ORDER, move["raw_material_production_id"])
        if order["state"] == "confirmed":
            store.update(ORDER, order["id"], {"state": "progress"}, now)
    return move, quantity - exact(move["quantity"]) if move["state"] == "done" else Decimal()


def exact(number: Any) -> Decimal:
    """A double as its shortest digits."""
    return Decimal(str(number))


def _reserve(store: Store, order: Row, like: Row, wanted: Decimal, now: datetime) -> None:
    values = {
        "product_id": like["product_id"],
        "product_uom": like["product_uom"],
        "product_uom_qty": float(wanted),
        "quantity": float(wanted),
        "state": "assigned",
        "bom_line_id": like["bom_line_id"],
        "raw_material_production_id": order["id"],
        "location_id": order["location_src_id"],
    }
    store.create(MOVE, values, now)


def _round(store: Store, quantity: Decimal) -> Decimal:
    return quantity.quantize(Decimal(1).scaleb(-store.digits()), ROUND_HALF_UP)
