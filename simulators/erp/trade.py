"""What happens in the business by itself: master data, orders released to the lines, sales and shipments."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from simulators.erp import components
from simulators.erp.models import Row
from simulators.erp.store import PRECISION, Store, odoo_time

LINES = {"line1": (11, 1), "line2": (12, 2)}
"""Operation type and product of each line."""

EQUIPMENT_ROOT = "acme/dortmund/machining"
HISTORY_SHIPMENTS = 60
HISTORY_DAYS = 30
OPEN_SHIPMENTS = 8
PROMISED_DAYS = 6.0
LONGEST_DAYS = 12.0
OPEN_ORDER_STATES = ("confirmed", "progress", "to_close")

_NAMES: dict[str, dict[int, str]] = {
    "uom.uom": {1: "Units"},
    "res.company": {1: "Acme Dortmund"},
    "stock.scrap.reason.tag": {1: "porosity", 2: "crack", 3: "dimension", 4: "surface", 5: "sawing"},
    "res.partner": {1: "Ruhr Pumps", 2: "Nordwind Drives", 3: "Hafen Cranes", 4: "Eifel Gears", 5: "Alpen Lifts"},
    "maintenance.team": {1: "Internal Maintenance"},
    "maintenance.equipment.category": {1: "Machine tools"},
}
_PRODUCTS: dict[int, Row] = {
    1: {"name": "Bearing housing L1", "default_code": "HSG-L1", "standard_price": 42.0, "list_price": 79.0},
    2: {"name": "Bearing housing L2", "default_code": "HSG-L2", "standard_price": 38.5, "list_price": 71.0},
    3: {"name": "Bar stock 60 mm", "default_code": "BAR-60", "standard_price": 9.8, "list_price": 0.0},
    4: {"name": "Cutting insert", "default_code": "INS-12", "standard_price": 4.1, "list_price": 0.0},
}
_STAGES: dict[int, Row] = {
    1: {"name": "New Request", "sequence": 1},
    2: {"name": "In Progress", "sequence": 2},
    3: {"name": "Repaired", "sequence": 3, "done": True},
    4: {"name": "Scrap", "sequence": 4, "done": True},
}
_LOCATIONS: dict[int, Row] = {
    5: {"name": "Stock", "complete_name": "WH/Stock", "usage": "internal", "warehouse_id": 1},
    7: {"name": "Production", "complete_name": "Virtual Locations/Production", "usage": "production"},
    8: {"name": "Quarantine", "complete_name": "WH/Quarantine", "usage": "internal", "warehouse_id": 1},
    9: {"name": "Scrap", "complete_name": "Virtual Locations/Scrap", "usage": "inventory"},
    10: {"name": "Customers", "complete_name": "Partners/Customers", "usage": "customer"},
}
# As Odoo makes a warehouse's operation types: the one of internal transfers is archived until there are several locations.
_OPERATIONS: dict[int, Row] = {
    2: {"name": "Dortmund: Delivery Orders", "code": "outgoing", "sequence_code": "OUT"},
    3: {"name": "Dortmund: Internal Transfers", "code": "internal", "sequence_code": "INT", "active": False},
    11: {"name": "Dortmund: line1", "sequence_code": "MO"},
    12: {"name": "Dortmund: line2", "sequence_code": "MO"},
}
COMPONENTS = (3, 4)
"""What one piece is made of, one of each."""

_MACHINES = ("saw", "cnc", "insp")


def found(store: Store, seed: int, orders_per_line: int, quantity: tuple[int, int], now: datetime) -> None:
    """Fill an empty store: master data, 30 days of shipments, the first orders; a second call does nothing."""
    if store.counted("founded"):
        return
    store.count_up("founded")
    store.create("stock.warehouse", {"name": "Dortmund", "code": "WH", "int_type_id": 3}, now, 1)
    for number, operation in _OPERATIONS.items():
        store.create("stock.picking.type", operation, now, number)
    for model, names in _NAMES.items():
        for number, name in names.items():
            store.create(model, {"name": name}, now, number)
    for number, stage in _STAGES.items():
        store.create("maintenance.stage", stage, now, number)
    for number, location in _LOCATIONS.items():
        store.create("stock.location", location, now, number)
    for number, product in _PRODUCTS.items():
        store.create("product.product", product, now, number)
        quantity_at_start = "1000" if product["list_price"] else "5000"
        store.move("inventory", number, 5, quantity_at_start, "initial stock", "INV/1", now)
    store.create("decimal.precision", {"name": PRECISION, "digits": 2}, now, 1)
    for _, product_id in LINES.values():
        store.create("mrp.bom", {"product_id": product_id}, now, product_id)
        lines = [store.create("mrp.bom.line", {"bom_id": product_id, "product_id": part}, now) for part in COMPONENTS]
        store.update("mrp.bom", product_id, {"bom_line_ids": lines}, now)
    _add_equipment(store, now)
    _add_shipments(store, seed, now)
    keep_open(store, seed, orders_per_line, quantity, now)


def _add_equipment(store: Store, now: datetime) -> None:
    paths = [f"{line}/{kind}{number}" for number, line in enumerate(LINES, 1) for kind in _MACHINES]
    for number, path in enumerate(paths, 1):
        line, name = path.split("/")
        values = {"name": name, "serial_no": f"{EQUIPMENT_ROOT}/{path}", "location": line, "category_id": 1}
        store.create("maintenance.equipment", values, now, number)


def _add_shipments(store: Store, seed: int, now: datetime) -> None:
    for number in range(HISTORY_SHIPMENTS):
        rng = random.Random(f"{seed}:history:{number}")
        age_days = HISTORY_DAYS * (HISTORY_SHIPMENTS - number - rng.random()) / HISTORY_SHIPMENTS
        done = now - timedelta(days=age_days)
        picking = sell(store, rng, done - timedelta(days=lead_days(rng)), now)
        ship(store, picking, done)
    for number in range(OPEN_SHIPMENTS):
        rng = random.Random(f"{seed}:open:{number}")
        sell(store, rng, now - timedelta(days=rng.uniform(1, PROMISED_DAYS)), now)


def lead_days(rng: random.Random) -> float:
    """Days from order to shipment: 1 to 12, mostly 3 to 5, with a long tail."""
    return min(1 + rng.lognormvariate(0.9, 0.65), LONGEST_DAYS)


def sell(store: Store, rng: random.Random, ordered: datetime, now: datetime) -> int:
    """Take a sales order of one to three lines with its shipment still open; gives the shipment's id."""
    partner, promised = rng.randrange(1, 6), ordered + timedelta(days=PROMISED_DAYS)
    lines = [(rng.randrange(1, 3), float(rng.randrange(2, 13))) for _ in range(rng.randrange(1, 4))]
    prices = [_PRODUCTS[product]["list_price"] for product, _ in lines]
    created = {"create_date": odoo_time(ordered)}
    order = store.create(
        "sale.order",
        {
            **created,
            "partner_id": partner,
            "date_order": odoo_time(ordered),
            "commitment_date": odoo_time(promised),
            "amount_total": round(sum(p * q for p, (_, q) in zip(prices, lines, strict=True)), 2),
        },
        now,
    )
    for price, (product, quantity) in zip(prices, lines, strict=True):
        store.create(
            "sale.order.line",
            {
                **created,
                "order_id": order,
                "product_id": product,
                "product_uom_qty": quantity,
                "price_unit": price,
                "name": _PRODUCTS[product]["name"],
            },
            now,
        )
    return store.create(
        "stock.picking",
        {
            **created,
            "origin": store.get("sale.order", order)["name"],
            "sale_id": order,
            "partner_id": partner,
            "scheduled_date": odoo_time(ordered + timedelta(days=PROMISED_DAYS - 1)),
            "date_deadline": odoo_time(promised),
        },
        now,
    )


def ship(store: Store, picking: int, done: datetime) -> None:
    """Ship everything of a sales order."""
    row = store.get("stock.picking", picking)
    store.update("stock.picking", picking, {"state": "done", "date_done": odoo_time(done)}, done)
    store.update("sale.order", row["sale_id"], {"delivery_status": "full"}, done)
    for line in store.rows("sale.order.line"):
        if line["order_id"] == row["sale_id"]:
            quantity = line["product_uom_qty"]
            store.update("sale.order.line", line["id"], {"qty_delivered": quantity}, done)
            store.move("shipped", line["product_id"], 5, str(-quantity), row["origin"], row["name"], done)


def ship_next(store: Store, seed: int, now: datetime) -> None:
    """Ship one of the open shipments and take a new sales order, of some days ago, in its place."""
    waiting = [row for row in store.rows("stock.picking") if row["state"] == "assigned"]
    rng = random.Random(f"{seed}:trade:{store.count_up('traded')}")
    if waiting:
        ship(store, rng.choice(waiting)["id"], now)
    sell(store, rng, now - timedelta(days=lead_days(rng)), now)


def keep_open(store: Store, seed: int, orders_per_line: int, quantity: tuple[int, int], now: datetime) -> None:
    """Release orders until each line has as many open ones; lines in turn."""
    open_orders = [row for row in store.rows("mrp.production") if row["state"] in OPEN_ORDER_STATES]
    missing = {
        line: orders_per_line - len({row["origin"] for row in open_orders if row["picking_type_id"] == kind})
        for line, (kind, _) in LINES.items()
    }
    for turn in range(orders_per_line):
        for line, count in missing.items():
            if turn < count:
                release(store, seed, line, quantity, now)


def release(store: Store, seed: int, line: str, quantity: tuple[int, int], now: datetime) -> int:
    """Release one confirmed order to a line; gives its id."""
    number = store.count_up("released")
    rng = random.Random(f"{seed}:order:{number}")
    kind, product = LINES[line]
    order = store.create(
        "mrp.production",
        {
            "origin": f"MES-{number:04d}",
            "product_id": product,
            "bom_id": product,
            "picking_type_id": kind,
            "product_qty": float(rng.randint(*quantity)),
            "state": "confirmed",
            "reservation_state": "assigned",
            "date_start": odoo_time(now),
            "date_deadline": odoo_time(now + timedelta(hours=rng.randint(4, 48))),
        },
        now,
    )
    components.plan(store, order, now)
    return order
