"""Pieces and yields complete an order's open production: quantity, components, mark done.

A partial completion closes the production with what was made and leaves the rest in a backorder.

What `button_mark_done` does was read in Odoo 19's source (addons/mrp/models/mrp_production.py): one that is completed in part a
second time is refused there, because its backorder would have nothing to make, and one that is completed in full a second
time changes nothing. So the same production is never booked twice, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Answer, Refusal, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.production import OPEN_STATES, Production, check_unit, find
from bridge.erp.quantity import to_number
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.decimals import plain
from bridge.model.production import MaterialActual

MARK_DONE: Final = "mrp.production/button_mark_done"
WRITE: Final = "mrp.production/write"
WRITE_MOVE: Final = "stock.move/write"


@dataclass(frozen=True, slots=True)
class Extras:
    """What a completion has beside its pieces.

    `components`: ids of the component moves that consumption events take, and that this completion must leave alone; `is_told`:
    events have told of components, so that what is consumed may differ from the bill of materials. `lots`: the names of the
    pieces' lot or serial numbers; `before`: steps that make those that Odoo does not have. `closes`: what is left is not
    made any more.
    """

    components: tuple[int, ...] = ()
    is_told: bool = False
    lots: tuple[str, ...] = ()
    before: tuple[Step, ...] = ()
    closes: bool = False


def plan(
    chain: Sequence[Production], event: MaterialActual, product_uom: str, extras: Extras | None = None
) -> list[Step]:
    """Complete the chain's open production with the event's pieces, in part or in full; no steps where they are in already.

    Raises BusinessError where nothing is open, or where units do not fit.
    """
    if find(chain, event).is_posted:
        return []
    target = open_production(chain, event.order_ref, event.quantity)
    check_unit(target, event.order_ref, event.uom, product_uom)
    return complete(target, event.quantity, extras or Extras())


def complete(target: Production, quantity: Decimal, extras: Extras) -> list[Step]:
    """Complete one production with a quantity; the rest goes to a backorder unless the extras close it.

    More pieces than it has left complete it with all of them: Odoo books what was made, not what was ordered.
    """
    ids = {"ids": [target.id]}
    context: dict[str, Any] = {"skip_backorder": True, "skip_redirection": True}
    if extras.is_told and target.consumption != "flexible":
        context["skip_consumption"] = True
    if quantity < target.quantity and not extras.closes:
        context["mo_ids_to_backorder"] = [target.id]
    write: dict[str, Any] = {**ids, "vals": {"qty_producing": to_number(quantity)}}
    if extras.lots:
        write["lots"] = {"product_id": target.product_id, "names": list(extras.lots)}
    steps = [
        *extras.before,
        Step("write quantity", WRITE, write, is_repeatable=True),
        Step("pick components", "mrp.production/set_qty_producing", ids, is_repeatable=True),
    ]
    if extras.components:
        # Behind the picking, which would take the bill of materials' share of them.
        left = {"quantity": 0, "picked": True, "manual_consumption": True}
        body = {"ids": list(extras.components), "vals": left}
        steps.append(Step("leave components to their events", WRITE_MOVE, body, is_repeatable=True))
    return [*steps, Step("mark done", MARK_DONE, ids | {"context": context}, is_repeatable=False)]


async def execute_done(client: OdooClient, step: Step) -> Answer:
    """Send the completion. An action in the answer is a question to a person, or, where it is done, something to print."""
    [number] = step.body["ids"]
    try:
        status, text, value = await client.call(step.call, step.body, is_repeatable=step.is_repeatable)
    except BusinessError as error:
        if await _is_done(client, number):
            raise TransientError(f"the production is done meanwhile, looking again: {error}") from error.__cause__
        raise
    refusal = Refusal(status, text)
    if value is not True and not isinstance(value, dict):
        raise UnknownOutcome(f"{step.call} was answered with neither true nor an action") from refusal
    if value is not True and not await _is_done(client, number):
        asks = value.get("res_model", "a wizard")
        raise BusinessError(f"Odoo asks instead of marking done: {asks}") from refusal
    return Answer(status, text)


async def _is_done(client: OdooClient, number: int) -> bool:
    body = {"ids": [number], "fields": ["state"]}
    return any(record.get("state") == "done" for record in await client.read("mrp.production/read", body))


def open_production(chain: Sequence[Production], order_ref: str, quantity: Decimal) -> Production:
    """The one that further pieces complete. Raises BusinessError where there is none."""
    for production in chain:
        if production.state in OPEN_STATES:
            return production
    if any(production.state == "draft" for production in chain):
        raise BusinessError(f"order {order_ref} is a draft in Odoo: confirm it, then replay this event")
    raise BusinessError(
        f"order {order_ref} is complete in Odoo, and {plain(quantity)} more pieces were made: release an order "
        "with this origin for them, then replay this event"
    )
