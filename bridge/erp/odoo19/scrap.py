"""Scrap as stock.scrap: the components of pieces that never came into stock; and any scrap, product by product.

Each scrap carries its event in its origin (`origin`). How it is validated once only: `drafts`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import drafts, master_data, origin
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.production import Production, check_unit, read_chain
from bridge.erp.odoo19.values import from_odoo, shown
from bridge.erp.posting import check_same
from bridge.erp.quantity import to_decimal, to_number
from bridge.errors import BusinessError

COMPONENTS: Final = " component %"


@dataclass(frozen=True, slots=True)
class Scrapped:
    """Pieces of an order that came to nothing; `without`: ids of products that consumption events take."""

    order_ref: str
    event_id: uuid.UUID
    pieces: Decimal
    reason: str
    without: Collection[int]
    digits: int

    @property
    def key(self) -> str:
        """What the origins of its scraps begin with."""
        return origin.key(self.order_ref, self.event_id)


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


async def find(client: OdooClient, event: Scrapped) -> Found:
    """Whether the components of the event's pieces are all scrapped; the id is the first scrap's.

    Raises BusinessError where they are those of other pieces.
    """
    parts = await _components(client, event, _latest(await read_chain(client, event.order_ref, with_cancelled=True)))
    done = await read_done(client, [origin.like(event.key, COMPONENTS)])
    for record in done:
        ours = origin.Origin.read(str(record.get("origin", "")))
        if ours is not None and ours.lost is not None:
            check_same(event.order_ref, f"scrap {record['id']}", [ours.lost], [event.pieces])
    return Found(is_posted=True, external_id=str(done[0]["id"])) if len(done) >= len(parts) else Found(is_posted=False)


async def plan(client: OdooClient, event: Scrapped, uom: str, settings: OdooSettings) -> list[Step]:
    """Scrap the components of pieces that came to nothing: no finished goods of them were ever in stock."""
    production = _latest(await read_chain(client, event.order_ref, with_cancelled=True))
    check_unit(production, event.order_ref, "", uom)
    return await steps(client, await _components(client, event, production), event.reason, settings)


async def read_done(client: OdooClient, domain: list[Any]) -> list[dict[str, Any]]:
    """The scraps of the domain that are done, oldest first."""
    return [record for record in await drafts.find(client, domain) if record["state"] == "done"]


async def steps(client: OdooClient, parts: Sequence[Part], reason: str, settings: OdooSettings) -> list[Step]:
    """What posts the parts, each once. Raises BusinessError where Odoo does not have so much of one."""
    tag = {}
    if reason and settings.reasons:
        name = settings.reasons.get(reason, reason)
        tag = {"scrap_reason_tag_ids": [[6, 0, [await master_data.named(client, master_data.REASON, name)]]]}
    planned = []
    for part in parts:
        await _check_stock(client, part)
        planned += part.steps(tag)
    return planned


def _latest(chain: Sequence[Production]) -> Production:
    """The production that components are scrapped for: the last one, of those that are not cancelled where there are such."""
    return ([production for production in chain if production.state != "cancel"] or list(chain))[-1]


async def _components(client: OdooClient, event: Scrapped, production: Production) -> list[Part]:
    """What the bill of materials takes for the event's pieces. Raises BusinessError where there is none."""
    what = f"order {event.order_ref}"
    record = await client.record("mrp.production", production.id, ["bom_id", "location_src_id"])
    if not record["bom_id"]:
        raise BusinessError(f"{what} has no bill of materials in Odoo: scrap its components there by hand")
    bom, place = int(record["bom_id"][0]), int(record["location_src_id"][0])
    made = await client.record("mrp.bom", bom, ["product_qty", "product_uom_id"])
    if shown(made["product_uom_id"]) != production.uom:
        raise BusinessError(
            f"{what} counts in {production.uom} and its bill of materials in {shown(made['product_uom_id'])}: scrap there by hand"
        )
    body = {"domain": [["bom_id", "=", bom]], "fields": ["product_id", "product_qty", "product_uom_id"], "order": "id"}
    parts: dict[int, Part] = {}
    for line in await client.read("mrp.bom.line/search_read", body):
        product, name, unit = int(line["product_id"][0]), str(line["product_id"][1]), int(line["product_uom_id"][0])
        if product in event.without:
            continue
        share = Fraction(from_odoo(line["product_qty"])) / Fraction(from_odoo(made["product_qty"]))
        told = f"{name} for {event.pieces} scrapped pieces of {what}"
        quantity = to_decimal(Fraction(event.pieces) * share, event.digits, told)
        if (before := parts.get(product)) is not None:
            if before.unit != unit:
                raise BusinessError(
                    f"{what} has {name} twice in its bill of materials, in two units: scrap it there by hand"
                )
            quantity += before.quantity
        named = origin.component(event.key, product, event.pieces)
        domain = tuple(origin.like(event.key, f" component {product} of %"))
        parts[product] = Part(named, domain, product, name, unit, place, production.id, quantity)
    if not parts:
        raise BusinessError(
            f"{what} has no components in Odoo but those that consumption events take: its scrap is in what they say; take "
            "scrap out of the rule that posts it, or scrap there by hand"
        )
    return list(parts.values())


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
