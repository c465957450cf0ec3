"""Scrap as stock.scrap: pieces that are taken back out of stock, and the components of pieces that never came into it.

A scrap carries its event in its origin: `MES-0001 amor <event id>`, for components with `component <product> of <pieces>`, for
serial numbers with `serial <number>`. How it is validated once only: `drafts`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import drafts, lots, master_data
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.numbers import as_pattern, from_odoo, plain
from bridge.erp.odoo19.production import Production, check_unit, find, read_chain, shown
from bridge.erp.posting import check_same
from bridge.erp.quantity import to_decimal, to_number
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, Reversal

_ORIGIN: Final = re.compile(
    r"(?P<order>.*) amor (?P<event>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?P<component> component [0-9]+ of (?P<pieces>[0-9.]+))?(?P<serial> serial .*)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Scrapped:
    """Pieces of an order that came to nothing; `without`: ids of products that consumption events take."""

    order_ref: str
    event_id: uuid.UUID
    pieces: Decimal
    reason: str
    without: Collection[int]
    digits: int


@dataclass(frozen=True, slots=True)
class Part:
    """One product to be scrapped, for one event; ids are Odoo's, `lot` its lot or serial number there."""

    origin: str
    domain: tuple[Any, ...]
    product: int
    name: str
    unit: int
    place: int
    production: int
    quantity: Decimal
    lot: int | None = None

    def steps(self, reason: Mapping[str, Any]) -> list[Step]:
        """What posts it once."""
        values = {
            "product_id": self.product,
            "product_uom_id": self.unit,
            "scrap_qty": to_number(self.quantity),
            "production_id": self.production,
            "location_id": self.place,
            "origin": self.origin,
            **({"lot_id": self.lot} if self.lot is not None else {}),
            **reason,
        }
        return drafts.steps(values, [list(self.domain)])


def read_origin(origin: str) -> re.Match[str] | None:
    """The parts `order`, `event`, `pieces` and `serial` of an origin of ours; None where it is another's."""
    return _ORIGIN.fullmatch(origin)


def pieces_of(origin: re.Match[str]) -> Decimal | None:
    """How many pieces came to nothing, as the origin of a component's scrap says; None for what was taken back."""
    try:
        return Decimal(origin["pieces"]) if origin["pieces"] else None
    except InvalidOperation as error:
        raise BusinessError(f"Odoo has a scrap with the origin {origin[0]}, which counts no pieces") from error


async def find_reversed(client: OdooClient, event: Reversal) -> Found:
    """Whether all that the event takes back is scrapped; the id is the first scrap's."""
    wanted = len(event.reverses.serials) if isinstance(event.reverses, MaterialActual) else 0
    domain = [["origin", "=like", f"{as_pattern(_origin(event.order_ref, event.event_id))}%"]]
    return await _found(client, domain, max(wanted, 1))


async def find_scrapped(client: OdooClient, event: Scrapped) -> Found:
    """Whether the components of the event's pieces are all scrapped; the id is the first scrap's.

    Raises BusinessError where they are those of other pieces.
    """
    parts = await _components(client, event, _latest(await read_chain(client, event.order_ref, with_cancelled=True)))
    domain = [["origin", "=like", f"{as_pattern(_origin(event.order_ref, event.event_id))} component %"]]
    return await _found(client, domain, len(parts), event)


async def plan_reversed(client: OdooClient, event: Reversal, uom: str, settings: OdooSettings) -> list[Step]:
    """Scrap the pieces out of where they went. Raises BusinessError where they are not there."""
    posted = event.reverses
    assert isinstance(posted, MaterialActual), "the connector refuses others"
    chain = await read_chain(client, event.order_ref)
    done = find(chain, posted)
    if not done.is_posted:
        raise BusinessError(
            f"order {event.order_ref}: the pieces that are taken back are not in Odoo yet: post them first"
        )
    production = next(production for production in chain if str(production.id) == done.external_id)
    check_unit(production, event.order_ref, posted.uom, uom)
    fields = ["product_id", "product_uom_id", "location_dest_id"]
    record = await client.record("mrp.production", production.id, fields)
    product, unit, place = (int(record[name][0]) for name in fields)
    origin = _origin(event.order_ref, event.event_id)
    whole = Part(
        origin, ("origin", "=", origin), product, production.product, unit, place, production.id, event.quantity
    )
    return await _steps(client, await _by_lot(client, whole, production, event), event.reason, settings)


async def plan_scrapped(client: OdooClient, event: Scrapped, uom: str, settings: OdooSettings) -> list[Step]:
    """Scrap the components of pieces that came to nothing: no finished goods of them were ever in stock."""
    production = _latest(await read_chain(client, event.order_ref, with_cancelled=True))
    check_unit(production, event.order_ref, "", uom)
    return await _steps(client, await _components(client, event, production), event.reason, settings)


def _latest(chain: Sequence[Production]) -> Production:
    """The production that components are scrapped for: the last one, of those that are not cancelled where there are such."""
    return ([production for production in chain if production.state != "cancel"] or list(chain))[-1]


async def _by_lot(client: OdooClient, whole: Part, production: Production, event: Reversal) -> list[Part]:
    """The pieces by their lot or serial numbers. Raises BusinessError where it is not told which ones are taken back."""
    posted = event.reverses
    assert isinstance(posted, MaterialActual)
    names = lots.names(production, posted)
    if not names:
        return [whole]
    known = await lots.registered(client, whole.product, names)
    if missing := [name for name in names if name not in known]:
        raise BusinessError(
            f"order {event.order_ref}: Odoo does not have the lots {', '.join(missing)} of {whole.name}: correct them there first"
        )
    place = (whole.product, whole.name, whole.unit, whole.place, whole.production)
    if production.tracking == "lot":
        return [Part(whole.origin, whole.domain, *place, whole.quantity, known[names[0]])]
    if event.quantity != posted.quantity:
        raise BusinessError(
            f"order {event.order_ref}: {plain(event.quantity)} of {len(names)} pieces with serial numbers are taken back, and "
            "nothing says which: scrap them in Odoo by hand"
        )
    origins = {name: f"{whole.origin} serial {name}" for name in names}
    return [Part(origins[name], ("origin", "=", origins[name]), *place, Decimal(1), known[name]) for name in names]


async def _components(client: OdooClient, event: Scrapped, production: Production) -> list[Part]:
    """What the bill of materials takes for the event's pieces. Raises BusinessError where there is none."""
    what = f"order {event.order_ref}"
    fields = ["bom_id", "location_src_id"]
    record = await client.record("mrp.production", production.id, fields)
    if not record["bom_id"]:
        raise BusinessError(f"{what} has no bill of materials in Odoo: scrap its components there by hand")
    bom, place = int(record["bom_id"][0]), int(record["location_src_id"][0])
    made = await client.record("mrp.bom", bom, ["product_qty", "product_uom_id"])
    if shown(made["product_uom_id"]) != production.uom:
        raise BusinessError(
            f"{what} counts in {production.uom} and its bill of materials in {shown(made['product_uom_id'])}: scrap there by hand"
        )
    body = {"domain": [["bom_id", "=", bom]], "fields": ["product_id", "product_qty", "product_uom_id"], "order": "id"}
    key, parts = _origin(event.order_ref, event.event_id), dict[int, Part]()
    for line in await client.read("mrp.bom.line/search_read", body):
        product, name = int(line["product_id"][0]), str(line["product_id"][1])
        if product in event.without:
            continue
        exact = (
            Fraction(event.pieces) * Fraction(from_odoo(line["product_qty"])) / Fraction(from_odoo(made["product_qty"]))
        )
        quantity = to_decimal(exact, event.digits, f"{name} for {event.pieces} scrapped pieces of {what}")
        origin = f"{key} component {product} of {plain(event.pieces)}"
        domain = ("origin", "=like", f"{as_pattern(key)} component {product} of %")
        unit = int(line["product_uom_id"][0])
        if (before := parts.get(product)) is not None:
            if before.unit != unit:
                raise BusinessError(
                    f"{what} has {name} twice in its bill of materials, in two units: scrap it there by hand"
                )
            quantity += before.quantity
        parts[product] = Part(origin, domain, product, name, unit, place, production.id, quantity)
    if not parts:
        raise BusinessError(
            f"{what} has no components in Odoo but those that consumption events take: its scrap is in what they say; take "
            "scrap out of the rule that posts it, or scrap there by hand"
        )
    return list(parts.values())


async def _steps(client: OdooClient, parts: Sequence[Part], reason: str, settings: OdooSettings) -> list[Step]:
    tag = {}
    if reason and settings.reasons:
        name = settings.reasons.get(reason, reason)
        tag = {"scrap_reason_tag_ids": [[6, 0, [await master_data.named(client, master_data.REASON, name)]]]}
    steps = []
    for part in parts:
        await _check_stock(client, part)
        steps += part.steps(tag)
    return steps


async def _found(client: OdooClient, domain: list[Any], wanted: int, event: Scrapped | None = None) -> Found:
    done = [record for record in await drafts.find(client, domain) if record["state"] == "done"]
    for record in done:
        origin = read_origin(str(record.get("origin", "")))
        if event and origin and (pieces := pieces_of(origin)) is not None:
            check_same(event.order_ref, f"scrap {record['id']}", [pieces], [event.pieces])
    return Found(is_posted=True, external_id=str(done[0]["id"])) if len(done) >= wanted else Found(is_posted=False)


async def _check_stock(client: OdooClient, part: Part) -> None:
    """Say early what Odoo would ask: whether there is so much, and of which lot."""
    fields = ["qty_available", "tracking"]
    record = await client.record("product.product", part.product, fields, {"location": part.place})
    if record["tracking"] != "none" and part.lot is None:
        raise BusinessError(
            f"Odoo tracks {part.name} by {record['tracking']}, and no event names it: scrap it there by hand"
        )
    there = from_odoo(record["qty_available"])
    if there < part.quantity:
        raise BusinessError(
            f"Odoo has {there} of {part.name} in stock, and {part.quantity} are to be taken out: correct the stock there first"
        )


def _origin(order_ref: str, event_id: uuid.UUID) -> str:
    return f"{order_ref} amor {event_id}"
