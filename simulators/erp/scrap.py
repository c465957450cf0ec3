"""What leaves stock again: scrap (stock.scrap) and the unbuilding of orders (mrp.unbuild), as Odoo 19 handles them.

`action_validate` does not look at the scrap's state: one that is done is posted again. Where less is in stock it answers 200
with a wizard and posts nothing.
"""

from __future__ import annotations

from typing import Any

from simulators.erp import components
from simulators.erp.calls import CREATE, LOAD, METHODS, Call, Method, write
from simulators.erp.components import ORDER, exact
from simulators.erp.errors import UserRefused
from simulators.erp.models import Row
from simulators.erp.production import book, wizard
from simulators.erp.store import odoo_time

SCRAP, UNBUILD = "stock.scrap", "mrp.unbuild"


def _validate(call: Call) -> Any:
    [number] = call.ids
    scrap = call.store.get(SCRAP, number)
    product, quantity = call.store.get("product.product", scrap["product_id"]), exact(scrap["scrap_qty"])
    if quantity <= 0:
        raise UserRefused("You can only enter positive quantities.")
    if call.store.on_hand(product["id"], scrap["location_id"]) < quantity:
        return wizard(f"{product['name']}: Insufficient Quantity To Scrap", "stock.warn.insufficient.qty.scrap")
    if product["tracking"] != "none" and not scrap["lot_id"]:
        raise UserRefused(f"You need to supply a Lot/Serial Number for product:\n{product['name']}")
    document = scrap["name"]
    book(call, "scrap_out", product["id"], scrap["location_id"], -quantity, scrap["origin"], document)
    book(call, "scrap", product["id"], scrap["scrap_location_id"], quantity, scrap["origin"], document)
    call.store.update(SCRAP, number, {"state": "done", "date_done": odoo_time(call.now)}, call.now)
    return True


def _unlink(call: Call) -> bool:
    for number in call.ids:
        if call.store.get(SCRAP, number)["state"] == "done":
            raise UserRefused("You cannot delete a scrap which is done.")
        call.store.delete(SCRAP, number)
    return True


def _unbuild(call: Call) -> bool:
    [number] = call.ids
    unbuild = call.store.get(UNBUILD, number)
    order = call.store.get(ORDER, unbuild["mo_id"])
    if order["state"] != "done":
        raise UserRefused("You cannot unbuild a undone manufacturing order.")
    quantity = exact(unbuild["product_qty"])
    _book(call, "unbuilt", {**unbuild, "quantity": -quantity}, order)
    for move in components.components_done(call.store, order["id"]):
        back = exact(move["quantity"]) * quantity / exact(order["qty_produced"])
        _book(call, "unbuilt", {**unbuild, "product_id": move["product_id"], "quantity": back}, order)
    call.store.update(UNBUILD, number, {"state": "done"}, call.now)
    return True


def _book(call: Call, kind: str, what: Row, order: Row) -> None:
    book(call, kind, what["product_id"], what["location_id"], what["quantity"], order["origin"], what["name"])


METHODS[SCRAP] = {
    "create": CREATE,
    "load": LOAD,
    "unlink": Method(_unlink),
    "write": Method(write, frozenset({"vals"})),
    "action_validate": Method(_validate),
}
METHODS[UNBUILD] = {"create": CREATE, "action_unbuild": Method(_unbuild)}
