"""Finished goods that are taken back as scrap: one stock.scrap for each reversal, recognised by its origin.

Validating a scrap a second time posts it a second time, and Odoo does not ask. So no scrap is ever validated twice: after an
unclear answer its draft is deleted, which Odoo refuses for one that is done, and of a deletion and a validation at the same
time its database lets one win. Then a new draft is made and validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import master_data
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.maintenance import external_id, rows
from bridge.erp.odoo19.numbers import from_odoo, to_odoo
from bridge.erp.odoo19.production import check_unit, find, read_chain
from bridge.errors import BusinessError, TransientError
from bridge.model.production import MaterialActual, Reversal

LOAD: Final = "stock.scrap/load"
DISCARD: Final = "stock.scrap/unlink"
VALIDATE: Final = "stock.scrap/action_validate"


async def find_reversed(client: OdooClient, event: Reversal) -> Found:
    """The done scrap of the event."""
    for record in await _scraps(client, _origin(event)):
        if record["state"] == "done":
            return Found(is_posted=True, external_id=str(record["id"]))
    return Found(is_posted=False)


async def plan(client: OdooClient, event: Reversal, settings: OdooSettings) -> list[Step]:
    """Discard what an attempt before left, load a draft, validate it. Raises BusinessError where the stock is not there."""
    posted = event.reverses
    assert isinstance(posted, MaterialActual), "the connector refuses others"
    chain = await read_chain(client, event.order_ref)
    done = find(chain, posted)
    if not done.is_posted:
        raise BusinessError(
            f"order {event.order_ref}: the pieces that are taken back are not in Odoo yet: post them first"
        )
    production = next(production for production in chain if str(production.id) == done.external_id)
    check_unit(production, posted, settings.product_uom)
    fields = ["product_id", "product_uom_id", "location_dest_id"]
    [record] = await client.read("mrp.production/read", {"ids": [production.id], "fields": fields})
    product, unit, place = (int(record[name][0]) for name in fields)
    await _check_stock(client, product, place, event.quantity, production.product)
    values = {
        "id": external_id(event.event_id),
        "product_id/.id": str(product),
        "product_uom_id/.id": str(unit),
        "scrap_qty": str(to_odoo(event.quantity)),
        "production_id/.id": str(production.id),
        "location_id/.id": str(place),
        "origin": _origin(event),
    }
    if event.reason and settings.reasons:
        reason = settings.reasons.get(event.reason, event.reason)
        values["scrap_reason_tag_ids/.id"] = str(await master_data.named(client, master_data.REASON, reason))
    drafts = [record["id"] for record in await _scraps(client, _origin(event)) if record["state"] == "draft"]
    discard = [Step("discard draft", DISCARD, {"ids": drafts}, is_repeatable=True)] if drafts else []
    return [
        *discard,
        Step("load scrap", LOAD, rows(values), is_repeatable=True),
        Step("validate scrap", VALIDATE, {"origin": _origin(event)}, is_repeatable=False),
    ]


async def to_validate(client: OdooClient, body: Mapping[str, Any]) -> int | None:
    """The draft that a step is about, which has no id when it is planned; None where its scrap is done already.

    Raises TransientError where there is no draft, or several: a new plan sorts it out.
    """
    records = await _scraps(client, str(body["origin"]))
    if any(record["state"] == "done" for record in records):
        return None
    if len(records) != 1:
        raise TransientError(f"Odoo has {len(records)} drafts of the scrap {body['origin']}, planning again")
    return int(records[0]["id"])


def _origin(event: Reversal) -> str:
    return f"{event.order_ref} amor {event.event_id}"


async def _scraps(client: OdooClient, origin: str) -> list[dict[str, Any]]:
    body = {"domain": [["origin", "=", origin]], "fields": ["state"], "order": "id"}
    return await client.read("stock.scrap/search_read", body)


async def _check_stock(client: OdooClient, product: int, place: int, quantity: Decimal, name: str) -> None:
    """Odoo lets stock go below zero without a word."""
    body = {"ids": [product], "fields": ["qty_available"], "context": {"location": place}}
    [record] = await client.read("product.product/read", body)
    there = from_odoo(record["qty_available"])
    if there < quantity:
        raise BusinessError(
            f"Odoo has {there} of {name} in stock, and {quantity} are to be taken out: correct the stock there first"
        )
