"""Internal transfers (stock.picking): material that goes back where it was taken from, once.

A transfer is made by `load` with an external id, and so are its moves: the same rows again are the same records. Carrying it out
(`button_validate`, addons/stock/models/stock_picking.py of 19.0) leaves out what is done already, so that a request that was still
on its way moves nothing twice. It is recognised by its origin, `MES-0001 amor <event id> back ...`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Answer, Found, Refusal, Step
from bridge.erp.odoo19 import imports, origin
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.posting import check_same
from bridge.errors import BusinessError, TransientError
from bridge.model.decimals import plain

LOAD: Final = "stock.picking/load"
LOAD_MOVES: Final = "stock.move/load"
VALIDATE: Final = "stock.picking/button_validate"
CALLS: Final = frozenset({LOAD, LOAD_MOVES, VALIDATE})


@dataclass(frozen=True, slots=True)
class Line:
    """One product that goes from one location to another; ids are Odoo's."""

    product: int
    name: str
    unit: int
    quantity: Decimal
    source: int
    target: int


async def find(client: OdooClient, order_ref: str, key: str, quantity: Decimal) -> Found:
    """Whether the transfer whose origin begins with `key` is carried out. Raises BusinessError where it is of another quantity."""
    for record in await _read(client, [origin.like(key, " back %")]):
        ours = origin.Origin.read(str(record.get("origin", "")))
        if record["state"] != "done" or ours is None:
            continue
        there = ours.back if ours.part is None else ours.part
        check_same(order_ref, f"transfer {record['id']}", [there or Decimal(0)], [quantity])
        return Found(is_posted=True, external_id=str(record["id"]))
    return Found(is_posted=False)


async def plan(client: OdooClient, named: str, event_id: uuid.UUID, lines: Sequence[Line]) -> list[Step]:
    """Move the lines back; `named` is the transfer's origin.

    Raises BusinessError for lines of several places, which one transfer does not have, and for what Odoo tracks.
    """
    [(source, target), *others] = sorted({(line.source, line.target) for line in lines})
    if others:
        raise BusinessError(f"{named}: what goes back was taken from several locations in Odoo: move it there by hand")
    for line in lines:
        await _check(client, line)
    picking = imports.external_id(f"back_{event_id}")
    head = {
        "id": picking,
        "picking_type_id/.id": str(await _operation(client, target)),
        "location_id/.id": str(source),
        "location_dest_id/.id": str(target),
        "origin": named,
    }
    moves = [
        {
            "id": imports.external_id(f"back_{event_id}_{line.product}"),
            "picking_id/id": picking,
            "product_id/.id": str(line.product),
            "product_uom/.id": str(line.unit),
            "product_uom_qty": plain(line.quantity),
            "location_id/.id": str(line.source),
            "location_dest_id/.id": str(line.target),
            "origin": named,
        }
        for line in lines
    ]
    known = {"origin": named, "context": {"skip_backorder": True}}
    return [
        Step("load transfer", LOAD, imports.rows([head]), is_repeatable=True),
        Step("load its moves", LOAD_MOVES, imports.rows(moves), is_repeatable=True),
        Step("carry out transfer", VALIDATE, known, is_repeatable=True),
    ]


async def execute(client: OdooClient, step: Step) -> Answer:
    """Carry out one of `CALLS`. Raises TransientError where the transfer is done meanwhile, which a new look finds."""
    named = step.body["origin"] if step.call == VALIDATE else _origin(step)
    try:
        return await (_validate(client, step, named) if step.call == VALIDATE else imports.execute(client, step))
    except BusinessError as error:
        if any(record["state"] == "done" for record in await _with_origin(client, named)):
            raise TransientError(f"the transfer is done meanwhile, looking again: {error}") from error.__cause__
        raise


async def _validate(client: OdooClient, step: Step, named: str) -> Answer:
    records = await _with_origin(client, named)
    if len(records) != 1:
        raise TransientError(f"Odoo has {len(records) or 'no'} transfers with the origin {named}, planning again")
    [number] = (record["id"] for record in records)
    body = {"ids": [number], "context": step.body["context"]}
    status, text, value = await client.call(step.call, body, is_repeatable=step.is_repeatable)
    # An action is a question to a person, or, where the transfer is done, something to print or to look at.
    if isinstance(value, dict):
        if (await client.record("stock.picking", number, ["state"]))["state"] == "done":
            return Answer(status, text)
        asks = value.get("name") or value.get("res_model") or "a wizard"
        raise BusinessError(f"Odoo asks instead of carrying out the transfer: {asks}: carry it out there") from Refusal(
            status, text
        )
    if value is not True:
        raise TransientError(f"{step.call} was not answered with true") from Refusal(status, text)
    return Answer(status, text)


async def _operation(client: OdooClient, place: int) -> int:
    """The operation type of internal transfers of the location's warehouse; Odoo archives it where people need none."""
    location = await client.record("stock.location", place, ["complete_name", "warehouse_id"])
    if not location["warehouse_id"]:
        raise BusinessError(f"{location['complete_name']} is of no warehouse in Odoo: move it back there by hand")
    fields = ["int_type_id"]
    warehouse = await client.record("stock.warehouse", int(location["warehouse_id"][0]), fields)
    if not warehouse["int_type_id"]:
        raise BusinessError(f"the warehouse of {location['complete_name']} has no internal transfers in Odoo")
    return int(warehouse["int_type_id"][0])


async def _check(client: OdooClient, line: Line) -> None:
    tracking = (await client.record("product.product", line.product, ["tracking"]))["tracking"]
    if tracking != "none":
        raise BusinessError(f"Odoo tracks {line.name} by {tracking}, and no event names it: move it back there by hand")


def _origin(step: Step) -> str:
    return str(step.body["data"][0][step.body["fields"].index("origin")])


async def _with_origin(client: OdooClient, named: str) -> list[dict[str, Any]]:
    return await _read(client, [["origin", "=", named]])


async def _read(client: OdooClient, domain: list[Any]) -> list[dict[str, Any]]:
    body = {"domain": domain, "fields": ["state", "origin"], "order": "id"}
    records = await client.read("stock.picking/search_read", body)
    if any("state" not in record for record in records):
        raise TransientError("stock.picking/search_read was answered with transfers without a state")
    return records
