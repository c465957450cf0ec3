"""What the ERP has really booked, from its ledger of stock moves and its own records."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from simulators.erp.failures import Failures
from simulators.erp.search import display_name
from simulators.erp.store import Store
from simulators.erp.trade import OPEN_ORDER_STATES


def truth(store: Store, requests: Counter[str], failures: Failures) -> dict[str, Any]:
    """Totals for a JSON file; quantities are whole numbers of pieces where they are whole."""
    produced, scrapped = store.moves("produced"), store.moves("scrap")
    return {
        "good_posted": _total(produced),
        "good_posted_by_origin": _by_origin(produced),
        "postings_by_origin": dict(Counter(origin or "" for origin, _, _ in produced)),
        "scrap_posted": _total(scrapped),
        "scrap_posted_by_origin": _by_origin(scrapped),
        "scrap_posted_by_product": _by_product(store, scrapped),
        "consumed_by_product": _consumed(store),
        "maintenance_requests": _requests(store),
        "orders_open": sum(row["state"] in OPEN_ORDER_STATES for row in _orders(store)),
        "orders_done": sum(row["state"] == "done" for row in _orders(store)),
        "shipments_done": sum(row["state"] == "done" for row in store.rows("stock.picking")),
        "requests": dict(requests),
        "failures_applied": dict(failures.applied),
        "failures_pending": failures.pending(),
    }


def _orders(store: Store) -> list[dict[str, Any]]:
    return store.rows("mrp.production")


def _requests(store: Store) -> list[dict[str, Any]]:
    listed = []
    for row in store.rows("maintenance.request"):
        equipment = store.find("maintenance.equipment", row["equipment_id"]) if row["equipment_id"] else None
        listed.append(
            {
                "id": row["id"],
                "name": row["name"],
                "created": row["create_date"],
                "equipment": equipment["serial_no"] if equipment else None,
                "equipment_name": display_name("maintenance.equipment", equipment) if equipment else None,
            }
        )
    return listed


def _total(moves: list[tuple[str | None, str, str]]) -> int | float:
    return _plain(sum((Decimal(quantity) for _, _, quantity in moves), Decimal()))


def _by_origin(moves: list[tuple[str | None, str, str]]) -> dict[str, int | float]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for origin, _, quantity in moves:
        sums[origin or ""] += Decimal(quantity)
    return {origin: _plain(quantity) for origin, quantity in sums.items()}


def _consumed(store: Store) -> dict[str, int | float]:
    """What orders took of each component, by its code: booked, or picked for the next pieces."""
    codes = {row["id"]: row["default_code"] for row in store.rows("product.product")}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for move in store.rows("stock.move"):
        if move["raw_material_production_id"] and not move["scrap_id"] and (move["picked"] or move["state"] == "done"):
            sums[codes[move["product_id"]]] += Decimal(str(move["quantity"]))
    return {code: _plain(quantity) for code, quantity in sums.items()}


def _by_product(store: Store, scrapped: list[tuple[str | None, str, str]]) -> dict[str, int | float]:
    """What was scrapped of each product, by its code: of a piece that came to nothing each of its components."""
    products = {row["name"]: row["product_id"] for row in store.rows("stock.scrap")}
    codes = {row["id"]: row["default_code"] for row in store.rows("product.product")}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for _, document, quantity in scrapped:
        sums[codes[products[document]]] += Decimal(quantity)
    return {code: _plain(quantity) for code, quantity in sums.items()}


def _plain(quantity: Decimal) -> int | float:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)
