"""Scrap as stock.scrap: pieces that are taken back out of stock, and the components of pieces that never came into it.

Validating a scrap a second time posts it a second time, and Odoo does not ask. So no scrap is ever validated twice: before
every validation the draft of an earlier attempt is deleted, which Odoo refuses for one that is done, and of a deletion and a
validation at the same time its database lets one win. Then a new draft is made and validated. A scrap is recognised by its
origin, which has the event's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Answer, Found, Refusal, Step
from bridge.erp.odoo19 import master_data
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.maintenance import external_id, rows
from bridge.erp.odoo19.numbers import DIGITS, from_odoo, to_odoo
from bridge.erp.odoo19.production import Production, check_unit, find, read_chain
from bridge.erp.quantity import to_decimal
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import MaterialActual, Reversal

LOAD: Final = "stock.scrap/load"
DISCARD: Final = "stock.scrap/unlink"
VALIDATE: Final = "stock.scrap/action_validate"
CALLS: Final = frozenset({LOAD, DISCARD, VALIDATE})


@dataclass(frozen=True, slots=True)
class Part:
    """One product to be scrapped, for one event; ids are Odoo's."""

    origin: str
    external_id: str
    product: int
    name: str
    unit: int
    place: int
    production: int
    quantity: Decimal

    def steps(self, reason: Mapping[str, str]) -> list[Step]:
        """Delete what an attempt before left, make a draft, validate it."""
        values = {
            "id": self.external_id,
            "product_id/.id": str(self.product),
            "product_uom_id/.id": str(self.unit),
            "scrap_qty": str(to_odoo(self.quantity)),
            "production_id/.id": str(self.production),
            "location_id/.id": str(self.place),
            "origin": self.origin,
            **reason,
        }
        origin = {"origin": self.origin}
        return [
            Step("discard draft", DISCARD, origin, is_repeatable=True),
            Step("load scrap", LOAD, rows(values), is_repeatable=True),
            Step("validate scrap", VALIDATE, origin, is_repeatable=False),
        ]


async def find_scrapped(client: OdooClient, event: Reversal | MaterialActual) -> Found:
    """Whether all scraps of the event are done; the id is the first one's."""
    if isinstance(event, Reversal):
        origins = [_origin(event)]
    else:
        origins = [
            part.origin for part in await _components(client, event, (await read_chain(client, event.order_ref))[-1])
        ]
    done = [record for origin in origins for record in await _scraps(client, origin) if record["state"] == "done"]
    return (
        Found(is_posted=True, external_id=str(done[0]["id"])) if len(done) >= len(origins) else Found(is_posted=False)
    )


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
    check_unit(production, posted, uom)
    fields = ["product_id", "product_uom_id", "location_dest_id"]
    [record] = await client.read("mrp.production/read", {"ids": [production.id], "fields": fields})
    product, unit, place = (int(record[name][0]) for name in fields)
    part = Part(
        _origin(event),
        external_id(event.event_id),
        product,
        production.product,
        unit,
        place,
        production.id,
        event.quantity,
    )
    return await _steps(client, [part], event.reason, settings)


async def plan_scrapped(client: OdooClient, event: MaterialActual, uom: str, settings: OdooSettings) -> list[Step]:
    """Scrap the components of pieces that came to nothing: no finished goods of them were ever in stock."""
    production = (await read_chain(client, event.order_ref))[-1]
    check_unit(production, event, uom)
    return await _steps(client, await _components(client, event, production), event.reason, settings)


async def execute(client: OdooClient, step: Step) -> Answer | None:
    """Carry out what needs the scrap's id, which does not exist when steps are planned; None: send the step as it is.

    Nothing is done any more once the scrap is done. Raises TransientError where a new plan must sort it out.
    """
    body = step.body
    origin = dict(zip(body["fields"], body["data"][0], strict=True))["origin"] if step.call == LOAD else body["origin"]
    records = await _scraps(client, str(origin))
    if any(record["state"] == "done" for record in records):
        return Answer(200, "already validated")
    if step.call == LOAD:
        return None
    ids = [record["id"] for record in records]
    if step.call == DISCARD and not ids:
        return Answer(200, "there is no draft")
    if step.call == VALIDATE and len(ids) != 1:
        raise TransientError(f"Odoo has {len(ids)} drafts of the scrap {origin}, planning again")
    status, text, value = await client.call(step.call, {"ids": ids}, is_repeatable=step.is_repeatable)
    if value is not True:
        unclear = TransientError if step.is_repeatable else UnknownOutcome
        raise unclear(f"{step.call} was not answered with true") from Refusal(status, text)
    return Answer(status, text)


def _origin(event: Reversal | MaterialActual, part: int | None = None) -> str:
    return f"{event.order_ref} amor {event.event_id}" + ("" if part is None else f" {part}")


async def _components(client: OdooClient, event: MaterialActual, production: Production) -> list[Part]:
    """What the bill of materials takes for the event's pieces. Raises BusinessError where there is none."""
    fields = ["bom_id", "location_src_id"]
    [record] = await client.read("mrp.production/read", {"ids": [production.id], "fields": fields})
    if not record["bom_id"]:
        raise BusinessError(
            f"order {event.order_ref} has no bill of materials in Odoo: scrap its components there by hand"
        )
    bom, place = int(record["bom_id"][0]), int(record["location_src_id"][0])
    [made] = await client.read("mrp.bom/read", {"ids": [bom], "fields": ["product_qty"]})
    body = {"domain": [["bom_id", "=", bom]], "fields": ["product_id", "product_qty", "product_uom_id"], "order": "id"}
    parts = []
    for line in await client.read("mrp.bom.line/search_read", body):
        product, name = int(line["product_id"][0]), str(line["product_id"][1])
        exact = (
            Fraction(event.quantity)
            * Fraction(from_odoo(line["product_qty"]))
            / Fraction(from_odoo(made["product_qty"]))
        )
        quantity = to_decimal(exact, DIGITS, f"{name} for {event.quantity} scrapped pieces of order {event.order_ref}")
        unit, key = int(line["product_uom_id"][0]), f"{event.event_id}_{product}"
        parts.append(
            Part(_origin(event, product), external_id(key), product, name, unit, place, production.id, quantity)
        )
    if not parts:
        raise BusinessError(
            f"the bill of materials of order {event.order_ref} has no lines in Odoo: scrap there by hand"
        )
    return parts


async def _steps(client: OdooClient, parts: Sequence[Part], reason: str, settings: OdooSettings) -> list[Step]:
    tag = {}
    if reason and settings.reasons:
        name = settings.reasons.get(reason, reason)
        tag = {"scrap_reason_tag_ids/.id": str(await master_data.named(client, master_data.REASON, name))}
    steps = []
    for part in parts:
        await _check_stock(client, part)
        steps += part.steps(tag)
    return steps


async def _scraps(client: OdooClient, origin: str) -> list[dict[str, Any]]:
    body = {"domain": [["origin", "=", origin]], "fields": ["state"], "order": "id"}
    return await client.read("stock.scrap/search_read", body)


async def _check_stock(client: OdooClient, part: Part) -> None:
    """Odoo lets stock go below zero without a word."""
    body = {"ids": [part.product], "fields": ["qty_available"], "context": {"location": part.place}}
    [record] = await client.read("product.product/read", body)
    there = from_odoo(record["qty_available"])
    if there < part.quantity:
        raise BusinessError(
            f"Odoo has {there} of {part.name} in stock, and {part.quantity} are to be taken out: correct the stock there first"
        )
