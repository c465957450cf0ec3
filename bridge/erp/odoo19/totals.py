"""What Odoo tells of orders and of stock, in our units: pieces made and scrapped, net, and what may be promised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import OrderTotals, Place
from bridge.erp.odoo19 import origin
from bridge.erp.odoo19.client import PAGE, OdooClient
from bridge.erp.odoo19.master_data import LOCATION
from bridge.erp.odoo19.production import Production, number_of, product_code, read_by_name, read_by_origin
from bridge.erp.odoo19.values import from_odoo, shown
from bridge.erp.quantity import Units
from bridge.errors import BusinessError, TransientError

_SCRAP: Final = ["production_id", "product_id", "product_uom_id", "scrap_qty", "origin"]
_BACKS: Final = 50  # orders whose transfers one question is of
_UNBUILD: Final = ["mo_id", "product_uom_id", "product_qty"]


@dataclass(slots=True)
class _Order:
    number: str
    productions: dict[int, Production] = field(default_factory=dict)
    made: Decimal = Decimal(0)
    taken_back: Decimal = Decimal(0)
    scrapped: Decimal = Decimal(0)  # of finished goods, by somebody else
    told: dict[str, Decimal] = field(default_factory=dict)  # pieces that came to nothing, by our event
    back: Decimal = Decimal(0)  # pieces of those that are no scrap after all


async def read_totals(client: OdooClient, units: Units, numbers: Sequence[str]) -> dict[str, OrderTotals]:
    """What each order made and scrapped; one whose origin Odoo does not have is left out.

    Good: the pieces of the done productions less what was scrapped of them or unbuilt. Scrap: pieces that came to nothing by our
    events, and finished goods that others scrapped. Raises BusinessError, naming the order, for what is no number of ours.
    """
    totals: dict[str, OrderTotals] = {}
    wanted = sorted(set(numbers) - {""})
    for first in range(0, len(wanted), PAGE):
        try:
            orders = await _read(client, wanted[first : first + PAGE])
        except (LookupError, TypeError) as error:
            raise TransientError(f"Odoo answers with half a document: {type(error).__name__} {error}") from error
        totals |= {order.number: _converted(order, units) for order in orders}
    return totals


async def read_stock(
    client: OdooClient, units: Units, settings: OdooSettings, places: Sequence[Place]
) -> dict[Place, Decimal]:
    """Odoo's free quantity: on hand and reserved for nothing; at a location with all that is inside it, or in all warehouses."""
    found: dict[Place, Decimal] = {}
    for location in sorted({place.location for place in places}):
        there = [place for place in dict.fromkeys(places) if place.location == location and place.item]
        context: Mapping[str, Any] = {}
        if location:
            ids = await _location(client, settings.locations.get(location, location))
            if ids is None:
                continue
            context = {"location": ids}
        free = await _free(client, settings, sorted({units.code(place.item) for place in there}), context)
        for place in there:
            if (quantity := free.get(units.code(place.item))) is not None:
                found[place] = units.counted(quantity, place.item, f"{place.item} in stock")
    return found


async def _location(client: OdooClient, name: str) -> int | None:
    model, named = LOCATION
    body = {"domain": [[named, "=", name]], "fields": [named], "order": "id", "limit": 2}
    records = await client.read(f"{model}/search_read", body)
    if any(record.get(named) != name for record in records):
        raise TransientError(f"Odoo answers with locations that are not {name}")
    if len(records) > 1:
        raise BusinessError(f"Odoo has several locations {name}: give each its own name")
    return int(records[0]["id"]) if records else None


async def _free(
    client: OdooClient, settings: OdooSettings, codes: Sequence[str], context: Mapping[str, Any]
) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    units = {item.code: item.uom for item in settings.items.values() if item.uom}
    for first in range(0, len(codes), PAGE):
        domain = [["default_code", "in", list(codes[first : first + PAGE])]]
        async for record in client.pages("product.product", ["default_code", "uom_id", "free_qty"], domain, context):
            code = str(record.get("default_code"))
            if code not in codes:
                raise TransientError(f"Odoo answers with a product {code} that nobody asked for")
            if code in found:
                raise BusinessError(f"Odoo has several products with the internal reference {code}: give each its own")
            if (uom := shown(record.get("uom_id"))) != units.get(code, uom):
                raise BusinessError(f"Odoo keeps {code} in {uom}, not in {units[code]}: correct items")
            found[code] = from_odoo(record.get("free_qty"))
    return found


async def _read(client: OdooClient, numbers: Sequence[str]) -> Iterable[_Order]:
    orders: dict[str, _Order] = {}
    of: dict[int, _Order] = {}
    async for number, production in _productions(client, numbers):
        order = of[production.id] = orders.setdefault(number, _Order(number))
        order.productions[production.id] = production
        if production.state == "done":
            order.made += production.produced
    ids = sorted(of)
    for first in range(0, len(ids), PAGE):
        some = ids[first : first + PAGE]
        done = ["state", "=", "done"]
        async for record in client.pages("stock.scrap", _SCRAP, [["production_id", "in", some], done]):
            _add_scrap(of[_id(record, "production_id", of)], record)
        async for record in client.pages("mrp.unbuild", _UNBUILD, [["mo_id", "in", some], done]):
            order, production = of[_id(record, "mo_id", of)], of[record["mo_id"][0]].productions[record["mo_id"][0]]
            order.taken_back += _quantity(order, production, record, "product_qty")
    await _add_backs(client, {order.number: order for order in orders.values() if order.told})
    return orders.values()


async def _add_backs(client: OdooClient, orders: Mapping[str, _Order]) -> None:
    """What transfers brought back of scrapped components, in pieces."""
    numbers = sorted(orders)
    for first in range(0, len(numbers), _BACKS):
        terms = [origin.backs_of(number) for number in numbers[first : first + _BACKS]]
        domain = [["state", "=", "done"], *["|"] * (len(terms) - 1), *terms]
        async for record in client.pages("stock.picking", ["origin"], domain):
            ours = origin.Origin.read(str(record["origin"] or ""))
            if ours is not None and ours.back is not None and ours.order_ref in orders:
                orders[ours.order_ref].back += ours.back


async def _productions(client: OdooClient, numbers: Sequence[str]) -> AsyncIterator[tuple[str, Production]]:
    """The productions of orders: by their origin, and by their name where no origin is of that order, as postings find them."""
    known = set()
    async for record in read_by_origin(client, numbers):
        known.add(record["origin"])
        yield record["origin"], Production.from_record(record)
    async for record in read_by_name(client, [number for number in numbers if number not in known]):
        yield number_of(record), Production.from_record(record)


def _add_scrap(order: _Order, record: Mapping[str, Any]) -> None:
    production = order.productions[record["production_id"][0]]
    ours = origin.Origin.read(str(record["origin"] or ""))
    if ours is not None and ours.lost is not None:
        order.told[ours.event_id] = ours.lost
    elif record["product_id"][0] == production.product_id:
        quantity = _quantity(order, production, record, "scrap_qty")
        order.taken_back += quantity
        order.scrapped += quantity if ours is None else 0


def _id(record: Mapping[str, Any], name: str, known: Mapping[int, object]) -> int:
    relation = record.get(name)
    number = relation[0] if isinstance(relation, list) and relation else None
    if not isinstance(number, int) or number not in known:
        raise TransientError(f"Odoo answers with a document of another order: {name} {relation!r}")
    return number


def _quantity(order: _Order, production: Production, record: Mapping[str, Any], name: str) -> Decimal:
    if shown(record["product_uom_id"]) != production.uom:
        raise BusinessError(
            f"order {order.number}: Odoo counts it in {production.uom} and took {shown(record['product_uom_id'])} of it back: "
            "compare the order by hand"
        )
    return from_odoo(record[name])


def _converted(order: _Order, units: Units) -> OrderTotals:
    first = next(iter(order.productions.values()))
    item, what = units.ours(product_code(first)), f"order {order.number}"
    scrapped = order.scrapped + sum(order.told.values(), Decimal(0)) - order.back
    return OrderTotals(
        units.counted(order.made - order.taken_back, item, what), units.counted(scrapped, item, f"{what}: scrap")
    )
