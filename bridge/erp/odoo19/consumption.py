"""Consumption as the component moves of an order's productions (stock.move): a level that is set.

Odoo takes a production's components when it is done: the bill of materials' share of the pieces, unless the move is picked by
hand before (addons/mrp/models: `_set_qty_producing` leaves a move alone that is picked and of manual consumption). So an item is
taken either by the bill of materials with the pieces, or by events: those that the connector's `consumed_by_events` names. Of
them an event sets what the open production has picked, and pieces that are posted leave them alone. What was picked leaves
stock with the production's next pieces; after the last ones the done move itself is corrected, as Odoo lets people do.

All that an order's productions took or picked of an item is its level; the event's cumulative quantity says whether it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Answer, Found, Refusal, Step
from bridge.erp.odoo19 import lots
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.completion import WRITE_MOVE, Extras
from bridge.erp.odoo19.production import OPEN_STATES, Production, found_by_total
from bridge.erp.odoo19.values import from_odoo, shown
from bridge.erp.quantity import to_number
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.decimals import plain
from bridge.model.production import MaterialActual

_FIELDS: Final = [
    "product_id", "product_uom", "quantity", "picked", "manual_consumption", "state", "raw_material_production_id", "location_id",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """What one production takes of a component; `quantity` is what is told of it only where it `is_taken`.

    That is picked by hand, as we do, or done. What `set_qty_producing` picked is the bill of materials' share, for a completion
    that may have broken off.
    """

    id: int
    production: int
    uom: str
    place: int
    place_name: str
    quantity: Decimal
    is_taken: bool
    is_done: bool

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Read what `_FIELDS` asked for. Raises BusinessError where a field is missing or no quantity."""
        try:
            return cls(
                id=int(record["id"]),
                production=int(record["raw_material_production_id"][0]),
                uom=shown(record["product_uom"]),
                place=int(record["location_id"][0]),
                place_name=shown(record["location_id"]),
                quantity=from_odoo(record["quantity"]),
                is_taken=bool(record["picked"] and record["manual_consumption"]) or record["state"] == "done",
                is_done=record["state"] == "done",
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BusinessError(
                f"Odoo gives a component that cannot be read: {type(error).__name__} {error}"
            ) from error


async def product_ids(client: OdooClient, codes: Sequence[str]) -> dict[str, int]:
    """The products of internal references. Raises BusinessError for one that Odoo does not have, or has twice."""
    if not codes:
        return {}
    found: dict[str, list[int]] = {code: [] for code in codes}
    async for record in client.pages("product.product", ["default_code"], [["default_code", "in", list(codes)]]):
        if (code := str(record.get("default_code"))) not in found:
            raise TransientError(f"Odoo answers with a product {code} that nobody asked for")
        found[code].append(record["id"])
    for code, ids in found.items():
        if len(ids) != 1:
            raise BusinessError(
                f"Odoo has {len(ids) or 'no'} products with the internal reference {code}, which consumed_by_events names: "
                "correct it there or in the configuration"
            )
    return {code: ids[0] for code, ids in found.items()}


async def extras(client: OdooClient, target: Production, products: Sequence[int]) -> Extras:
    """What a completion of the production must leave to consumption events. Raises BusinessError where Odoo blocks that."""
    domain = [["raw_material_production_id", "=", target.id], ["product_id", "in", list(products)]]
    moves = [move for move in await _read(client, domain) if not move.is_done] if products else []
    if moves and target.consumption == "strict":
        raise BusinessError(
            f"{target.name}: its bill of materials blocks any other consumption than its own, and consumed_by_events takes some "
            "of it: allow it there (flexible consumption), or take the items out of consumed_by_events"
        )
    return Extras(components=tuple(move.id for move in moves if not move.is_taken), is_told=bool(moves))


async def find(client: OdooClient, chain: Sequence[Production], product: int, event: MaterialActual) -> Found:
    """Whether the order's productions took the event's share; the id is the move that reached it.

    Raises BusinessError where the level is neither that before the event nor one with it.
    """
    return _find(await _of_chain(client, chain, product), event)


async def plan(
    client: OdooClient, chain: Sequence[Production], product: int, event: MaterialActual, uom: str, place: str
) -> list[Step]:
    """Set the level of the open production, or of the last one that took the item; no steps where it is in already.

    `place` is Odoo's name of the location that it came from; empty: that of the order. Raises BusinessError for what Odoo
    would book otherwise than the event says.
    """
    moves = await _of_chain(client, chain, product)
    if _find(moves, event).is_posted:
        return []
    lots.refuse_any(event, "consumption")
    move = _target(chain, moves, event)
    _check(chain, move, event, uom, place)
    await _check_stock(client, product, move, event)
    level = (move.quantity if move.is_taken else Decimal(0)) + event.quantity
    values: dict[str, Any] = {"quantity": to_number(level)}
    if not move.is_done:
        values |= {"picked": True, "manual_consumption": True}
    # A level may be set twice; but one that is still on its way must not come after the next event's.
    return [Step("set consumption", WRITE_MOVE, {"ids": [move.id], "vals": values}, is_repeatable=False)]


async def execute(client: OdooClient, step: Step) -> Answer:
    """Write moves. Those that a production was done with meanwhile are cancelled, and there is nothing to leave alone any more."""
    try:
        status, text, value = await client.call(step.call, step.body, is_repeatable=step.is_repeatable)
    except BusinessError:
        records = await client.read("stock.move/read", {"ids": step.body["ids"], "fields": ["state"]})
        if step.is_repeatable and all(record.get("state") == "cancel" for record in records):
            return Answer(200, "the production is done already")
        raise
    if value is not True:
        unclear = TransientError if step.is_repeatable else UnknownOutcome
        raise unclear(f"{step.call} was not answered with true") from Refusal(status, text)
    return Answer(status, text)


def _find(moves: Sequence[Move], event: MaterialActual) -> Found:
    taken = [(move.id, move.quantity) for move in moves if move.is_taken and move.quantity]
    return found_by_total(taken, event, f"of {event.item} consumed")


def _target(chain: Sequence[Production], moves: Sequence[Move], event: MaterialActual) -> Move:
    open_one = next((production.id for production in chain if production.state in OPEN_STATES), None)
    what = f"order {event.order_ref}: {event.item}"
    if open_one is None:
        if any(production.state == "draft" for production in chain):
            raise BusinessError(f"order {event.order_ref} is a draft in Odoo: confirm it, then replay this event")
        if done := [move for move in moves if move.is_done]:
            return done[-1]
        raise BusinessError(
            f"{what} was consumed after the order was completed in Odoo without any: unlock the order and add it there by hand"
        )
    found = [move for move in moves if move.production == open_one and not move.is_done]
    if len(found) != 1:
        raise BusinessError(
            f"{what} is {'no component' if not found else 'a component in several lines'} of the order in Odoo: "
            f"{'add it there' if not found else 'make them one line'}, then replay this event"
        )
    return found[0]


def _check(chain: Sequence[Production], move: Move, event: MaterialActual, uom: str, place: str) -> None:
    what = f"order {event.order_ref}: {event.item}"
    if next(production for production in chain if production.id == move.production).consumption == "strict":
        raise BusinessError(
            f"{what}: the bill of materials blocks any other consumption than its own: allow it there (flexible consumption), "
            "or take the item out of consumed_by_events"
        )
    if move.uom != uom:
        raise BusinessError(
            f"{what}: the event counts in {uom}, the order's component in {move.uom}: name its unit in the connector's units, "
            "or the unit and the factor in items"
        )
    if place and place != move.place_name:
        raise BusinessError(
            f"{what} comes from {move.place_name} in Odoo and the event says {place}: correct one of them"
        )


async def _check_stock(client: OdooClient, product: int, move: Move, event: MaterialActual) -> None:
    """Odoo lets stock go below zero without a word."""
    fields = ["qty_available", "tracking"]
    record = await client.record("product.product", product, fields, {"location": move.place})
    if record["tracking"] != "none":
        raise BusinessError(f"Odoo tracks {event.item} by {record['tracking']}: register its consumption there by hand")
    there = from_odoo(record["qty_available"])
    wanted = event.quantity if move.is_done or not move.is_taken else move.quantity + event.quantity
    if there < wanted:
        raise BusinessError(
            f"Odoo has {plain(there)} of {event.item} in stock, and {plain(wanted)} are to be taken out: correct the stock there "
            "first"
        )


async def _of_chain(client: OdooClient, chain: Sequence[Production], product: int) -> list[Move]:
    ids = [production.id for production in chain]
    return await _read(client, [["raw_material_production_id", "in", ids], ["product_id", "=", product]])


async def _read(client: OdooClient, domain: list[Any]) -> list[Move]:
    # A component that was scrapped is a move of the order too.
    domain = [*domain, ["scrap_id", "=", False], ["state", "!=", "cancel"]]
    return [Move.from_record(record) async for record in client.pages("stock.move", _FIELDS, domain)]
