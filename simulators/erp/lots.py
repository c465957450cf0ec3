"""Lots and serial numbers (stock.lot) as Odoo 19 keeps them: unique by product, made up where nobody named one."""

from __future__ import annotations

from simulators.erp.calls import CREATE, LOAD, METHODS, Call, Method, create
from simulators.erp.components import ORDER
from simulators.erp.errors import UserRefused
from simulators.erp.models import Row


def untracked(call: Call, order: Row) -> bool:
    """Whether what an order makes has neither lots nor serial numbers."""
    return bool(call.store.get("product.product", order["product_id"])["tracking"] == "none")


def check_lots(call: Call, order: Row) -> None:
    """Raise UserRefused where a serial number was produced already and is not gone since."""
    product = call.store.get("product.product", order["product_id"])
    if product["tracking"] != "serial":
        return
    for lot in order["lot_producing_ids"]:
        made = sum(
            lot in other["lot_producing_ids"]
            for other in call.store.rows(ORDER)
            if other["state"] == "done" and other["id"] != order["id"]
        )
        gone = sum(row["lot_id"] == lot and row["state"] == "done" for row in call.store.rows("stock.scrap"))
        if made > gone:
            raise UserRefused(f"Serial number(s) for product {product['name']} already produced")


def give_lot(call: Call, order: Row) -> None:
    """Make up a lot, as Odoo does by its sequence."""
    name = f"{call.store.count_up('lot'):07d}"
    lot = call.store.create("stock.lot", {"name": name, "product_id": order["product_id"]}, call.now)
    call.store.update(ORDER, order["id"], {"lot_producing_ids": [lot]}, call.now)


def _unique(call: Call, numbers: list[int]) -> None:
    rows = call.store.rows("stock.lot")
    for number in numbers:
        lot = call.store.get("stock.lot", number)
        if sum((row["name"], row["product_id"]) == (lot["name"], lot["product_id"]) for row in rows) > 1:
            raise UserRefused(
                "The combination of lot/serial number and product must be unique within a company including when no company "
                f"is defined.\nThe following combinations contain duplicates:\n - Lot/Serial: {lot['name']}"
            )


def _create_lot(call: Call) -> list[int]:
    numbers = create(call)
    _unique(call, numbers)
    return numbers


METHODS["stock.lot"] = {"create": Method(_create_lot, CREATE.arguments), "load": LOAD}
