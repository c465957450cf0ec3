"""A Tryton database for tests, made once: run as a program in a process of its own, since Tryton's pool is one a process.

A company of one plant, a product that is made of a bar each, six orders of 40 pieces by their references MES-0001 ..., orders
with an edge of their own, two shipments, and a user application `rest` with its key. A second company has an order of its own and
one whose reference the first has too. With lots (--lots) there is the module stock_lot, a product LOT-1 that moves of production want
a lot of, an order of it, and a bar with a lot in stock.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

DATABASE = "erp"
KEY = "tryton-key-0001"
CONF = """\
[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
"""


def write_conf(folder: Path, port: int = 0) -> Path:
    conf = folder / "trytond.conf"
    conf.write_text(CONF.format(folder=folder, port=port))
    return conf


def found(folder: Path, *, with_lots: bool = False) -> None:
    """Tryton's modules and the plant's data in folder/erp.sqlite."""
    password = folder / "password"
    password.write_text("admin-7731")
    os.environ["TRYTONPASSFILE"] = str(password)
    from trytond import commandline, config

    conf = write_conf(folder)
    modules = ["production", "stock_lot"] if with_lots else ["production"]
    options = commandline.get_parser_admin().parse_args(
        ["-c", str(conf), "-d", DATABASE, "--email", "a@example.com", "-u", *modules, "--activate-dependencies"]
    )
    config.update_etc([str(conf)])
    from trytond import admin
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    (folder / f"{DATABASE}.sqlite").touch()
    admin.run(options)
    pool = Pool(DATABASE)
    pool.init()
    with Transaction().start(DATABASE, 1) as transaction:
        company = _company(pool)
        with transaction.set_context(company=company.id):
            _data(pool, company)
            if with_lots:
                _lots(pool, company)
        other = _second_company(pool, company)
        with transaction.set_context(company=other.id):
            _orders_of_second(pool, other)
        transaction.commit()


def _company(pool: Any) -> Any:
    currency = pool.get("currency.currency")(name="Euro", code="EUR", symbol="€", rounding=Decimal("0.01"), digits=2)
    currency.save()
    party = pool.get("party.party")(name="Acme Dortmund")
    party.save()
    company = pool.get("company.company")(party=party, currency=currency, timezone="Europe/Berlin")
    company.save()
    user = pool.get("res.user")(1)
    user.companies, user.company = [company], company
    user.save()
    pool.get("res.user.application")(key=KEY, user=user, application="rest").save()
    return company


def _second_company(pool: Any, first: Any) -> Any:
    party = pool.get("party.party")(name="Acme Lyon")
    party.save()
    company = pool.get("company.company")(party=party, currency=first.currency, timezone="Europe/Paris")
    company.save()
    user = pool.get("res.user")(1)
    user.companies, user.company_filter = [first, company], "all"
    user.save()
    return company


def _orders_of_second(pool: Any, company: Any) -> None:
    _, warehouse, _ = _places(pool)
    [housing] = pool.get("product.product").search([("code", "=", "HSG-L1")])
    production = pool.get("production")
    orders = [
        _order(production, reference, housing, None, 40, warehouse, company) for reference in ("LYON-1", "MES-SHARED")
    ]
    production.save(orders)
    production.wait(orders)


def _lots(pool: Any, company: Any) -> None:
    storage, warehouse, lost = _places(pool)
    made = _product(pool, "LOT-1", "u")
    made.template.lot_required = ["production"]
    made.template.save()
    [bar] = pool.get("product.product").search([("code", "=", "BAR-60")])
    melt = pool.get("stock.lot")(number="MELT-7", product=bar)
    melt.save()
    move = pool.get("stock.move")
    stocked = move(
        product=bar, lot=melt, unit=bar.default_uom, quantity=10, from_location=lost, to_location=storage,
        company=company, effective_date=dt.date(2026, 1, 5),
    )  # fmt: skip
    move.save([stocked])
    move.do([stocked])
    production = pool.get("production")
    order = _order(production, "MES-LOT", made, None, 40, warehouse, company)
    production.save([order])
    production.wait([order])


def _places(pool: Any) -> list[Any]:
    """The storage zone, the warehouse, and where scrap goes."""
    return [
        pool.get("stock.location").search([("type", "=", kind), *more])[0]
        for kind, more in (("storage", [("code", "=", "STO")]), ("warehouse", []), ("lost_found", []))
    ]


def _data(pool: Any, company: Any) -> None:
    storage, warehouse, lost = _places(pool)
    warehouse.waste_locations = [lost]
    warehouse.save()
    housing, bar, powder = (
        _product(pool, code, unit) for code, unit in (("HSG-L1", "u"), ("BAR-60", "u"), ("POW-1", "kg"))
    )
    bom = _bom(pool, housing, bar)
    [gram] = pool.get("product.uom").search([("symbol", "=", "g")])
    can = _product(pool, "CAN-1", "u")
    filled = _bom(pool, can, powder, 200, gram)
    move = pool.get("stock.move")
    stocked = []
    for product, quantity in ((bar, 5000), (housing, 100), (powder, 50)):
        stocked.append(
            move(
                product=product, unit=product.default_uom, quantity=quantity, from_location=lost, to_location=storage,
                company=company, effective_date=dt.date(2026, 1, 5),
            )
        )  # fmt: skip
    move.save(stocked)
    move.do(stocked)
    production = pool.get("production")
    orders = [_order(production, f"MES-{number:04}", housing, bom, 40, warehouse, company) for number in range(1, 7)]
    short = _order(production, "MES-SHORT", housing, bom, 40_000, warehouse, company)
    draft = _order(production, "MES-DRAFT", housing, bom, 5, warehouse, company)
    twins = [_order(production, "MES-TWIN", housing, bom, 5, warehouse, company) for _ in range(2)]
    kilos = _order(production, "MES-KG", powder, None, 10, warehouse, company)
    cans = _order(production, "MES-CAN", can, filled, 10, warehouse, company)
    shared = _order(production, "MES-SHARED", housing, bom, 40, warehouse, company)
    grams = _order(production, "MES-G", powder, None, 5000, warehouse, company, gram)
    released = [*orders, short, *twins, kilos, cans, shared, grams]
    production.save([*released, draft])
    production.wait(released)
    _shipments(pool, company, warehouse, housing)


def _product(pool: Any, code: str, symbol: str) -> Any:
    [unit] = pool.get("product.uom").search([("symbol", "=", symbol)])
    template = pool.get("product.template")(
        name=code, type="goods", default_uom=unit, producible=True, cost_price_method="fixed",
    )  # fmt: skip
    template.products = [pool.get("product.product")(suffix_code=code, cost_price=Decimal(3))]
    template.save()
    return template.products[0]


def _bom(pool: Any, made: Any, used: Any, quantity: float = 1, unit: Any = None) -> Any:
    bom = pool.get("production.bom")(name=made.code)
    bom.inputs = [pool.get("production.bom.input")(product=used, unit=unit or used.default_uom, quantity=quantity)]
    bom.outputs = [pool.get("production.bom.output")(product=made, unit=made.default_uom, quantity=1)]
    bom.save()
    pool.get("product.product-production.bom")(product=made, bom=bom).save()
    return bom


def _order(
    production: Any,
    reference: str,
    product: Any,
    bom: Any,
    quantity: float,
    warehouse: Any,
    company: Any,
    unit: Any = None,
) -> Any:
    order = production(
        reference=reference, warehouse=warehouse, location=warehouse.production_location, company=company,
        planned_date=dt.date(2026, 7, 3), inputs=[], outputs=[], type="assembly", state="draft",
    )  # fmt: skip
    order.product, order.unit, order.bom, order.quantity = product, unit or product.default_uom, bom, quantity
    order.set_planned_start_date()
    order.explode_bom()
    if bom is None:
        order.outputs = [order._move("output", product, order.unit, quantity)]
    return order


def _shipments(pool: Any, company: Any, warehouse: Any, product: Any) -> None:
    party = pool.get("party.party")(name="Ruhr Pumps", addresses=[{}])
    party.save()
    shipment, move = pool.get("stock.shipment.out"), pool.get("stock.move")
    made = []
    for reference in ("SO-1", "SO-2"):
        one = shipment(
            customer=party, delivery_address=party.addresses[0], reference=reference, company=company,
            warehouse=warehouse, planned_date=dt.date(2026, 7, 2),
        )  # fmt: skip
        one.on_change_warehouse()
        one.outgoing_moves = [
            move(
                product=product, unit=product.default_uom, quantity=2, from_location=warehouse.output_location,
                to_location=party.customer_location, company=company, unit_price=Decimal(9), currency=company.currency,
            )
        ]  # fmt: skip
        one.save()
        made.append(one)
    shipment.wait(made)
    shipment.assign_force(made[:1])
    shipment.pick(made[:1])
    shipment.pack(made[:1])
    shipment.do(made[:1])


if __name__ == "__main__":
    found(Path(sys.argv[1]), with_lots="--lots" in sys.argv)
