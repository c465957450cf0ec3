"""Lots and serial numbers of what is made (stock.lot): named by the event, made in Odoo where it does not have them.

A lot is unique there by its product and name. It is made by `load` with an external id of both, which makes it once however
often it is sent. What Odoo tracks and an event does not name is refused: Odoo would make up a lot of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Step
from bridge.erp.odoo19 import imports
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.production import Production
from bridge.errors import BusinessError, TransientError
from bridge.model.decimals import plain
from bridge.model.production import EVENT_NAMESPACE, MaterialActual

LOAD: Final = "stock.lot/load"


def names(target: Production, event: MaterialActual) -> tuple[str, ...]:
    """The lot, or the serial number of each piece, that the event names. Raises BusinessError where they are not what Odoo tracks."""
    what, named = f"order {event.order_ref}: {target.product}", _told(event)
    match target.tracking:
        case "none" if named:
            raise BusinessError(
                f"{what} is tracked in Odoo neither by lot nor by serial number, and the event has {named}: track the product "
                "there, or take them out of this event and replay it"
            )
        case "lot" if event.serials or not event.lot:
            raise BusinessError(
                f"{what} is tracked in Odoo by lot, and the event has {named or 'none'}: give it one lot and no serial numbers"
            )
        case "serial" if event.lot or Decimal(len(set(event.serials))) != event.quantity:
            raise BusinessError(
                f"{what} is tracked in Odoo by serial number, and the event has {named or 'none'} for {plain(event.quantity)} "
                "pieces: give it one for each piece, and no lot"
            )
        case "lot":
            return (event.lot,)
        case "serial":
            return event.serials
    return ()


def refuse_any(event: MaterialActual, what: str) -> None:
    """Raise BusinessError for lots and serials where Odoo would have no place for them: dropped is lost without a word."""
    if named := _told(event):
        raise BusinessError(
            f"order {event.order_ref}: {what} carries no lots or serial numbers to Odoo, and the event has {named}: "
            "take them out of this event and replay it, or post it there by hand"
        )


async def registered(client: OdooClient, product: int, wanted: Sequence[str]) -> dict[str, int]:
    """The ids of those lots of a product that Odoo has. Raises BusinessError for one that it has twice, in two companies."""
    domain = [["product_id", "=", product], ["name", "in", list(wanted)]]
    known: dict[str, int] = {}
    async for record in client.pages("stock.lot", ["name"], domain):
        if (name := str(record.get("name"))) in known:
            raise BusinessError(
                f"Odoo has the lot {name} of one product several times: let the key's user see one company only"
            )
        known[name] = record["id"]
    return known


async def steps(client: OdooClient, product: int, wanted: Sequence[str]) -> tuple[Step, ...]:
    """What makes the lots that Odoo does not have yet, in one request."""
    missing = [name for name in wanted if name not in await registered(client, product, wanted)] if wanted else []
    if not missing:
        return ()
    made = [{"id": _external(product, name), "name": name, "product_id/.id": str(product)} for name in missing]
    return (Step("register lots", LOAD, imports.rows(made), is_repeatable=True),)


async def with_ids(client: OdooClient, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a write with its lots as Odoo's ids, which do not exist when steps are planned."""
    sent = dict(body)
    lots = sent.pop("lots", None)
    if lots is None:
        return sent
    known = await registered(client, lots["product_id"], lots["names"])
    if missing := [name for name in lots["names"] if name not in known]:
        raise TransientError(f"Odoo does not have the lots {', '.join(missing)} yet, planning again")
    ids = [known[name] for name in lots["names"]]
    return sent | {"vals": {**sent["vals"], "lot_producing_ids": [[6, 0, ids]]}}


def _told(event: MaterialActual) -> str:
    serials = f"the serial numbers {', '.join(event.serials)}" if event.serials else ""
    return " and ".join(part for part in (f"the lot {event.lot}" if event.lot else "", serials) if part)


def _external(product: int, name: str) -> str:
    return imports.external_id(f"lot_{product}_{uuid.uuid5(EVENT_NAMESPACE, name)}")
