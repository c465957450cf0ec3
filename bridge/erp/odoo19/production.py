"""Work in progress becomes finished goods: an order's pieces as completed productions (mrp.production).

A partial completion closes the production with what was made and leaves the rest in a backorder, which Odoo renames; what
stays is the origin, so an order here is the chain of all productions of one origin. Odoo has no place for an event's id on
a production. The event's cumulative quantity stands in for it: the chain's own total says whether the event is in.

What `button_mark_done` does was read in Odoo 19's source (addons/mrp/models/mrp_production.py): one that is completed in part a
second time is refused there, because its backorder would have nothing to make, and one that is completed in full a second
time changes nothing. So the same production is never booked twice, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Answer, Found, Refusal, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.numbers import from_odoo, plain
from bridge.erp.quantity import PIECES, to_number
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import MaterialActual

FIELDS: Final = [
    "name", "origin", "state", "product_id", "product_uom_id", "product_qty", "qty_produced", "picking_type_id", "date_deadline",
    "product_tracking", "consumption", "location_dest_id", "workorder_ids",
]  # fmt: skip
MARK_DONE: Final = "mrp.production/button_mark_done"
WRITE: Final = "mrp.production/write"
WRITE_MOVE: Final = "stock.move/write"
OPEN_STATES: Final = frozenset({"confirmed", "progress", "to_close"})


@dataclass(frozen=True, slots=True)
class Production:
    """One production of an order's chain; `quantity` is what it was to make, `produced` what it made.

    `tracking` is none, lot or serial; `consumption` what its bill of materials says of other components than its own: flexible,
    warning or strict; `receives_at` the location that its pieces go to; `operations` the ids of its work orders.
    """

    id: int
    name: str
    origin: str
    state: str
    product: str
    uom: str
    quantity: Decimal
    produced: Decimal
    product_id: int = 0
    tracking: str = "none"
    consumption: str = "flexible"
    receives_at: str = ""
    operations: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Read what `FIELDS` asked for. Raises BusinessError where a field is missing or no quantity."""
        try:
            return cls(
                id=int(record["id"]),
                name=str(record["name"]),
                origin=str(record["origin"] or ""),
                state=str(record["state"]),
                product=shown(record["product_id"]),
                uom=shown(record["product_uom_id"]),
                quantity=from_odoo(record["product_qty"]),
                produced=from_odoo(record["qty_produced"]),
                product_id=int(record["product_id"][0]),
                tracking=str(record["product_tracking"]),
                consumption=str(record["consumption"]),
                receives_at=shown(record["location_dest_id"]),
                operations=tuple(record["workorder_ids"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BusinessError(
                f"Odoo gives a production that cannot be read: {type(error).__name__} {error}"
            ) from error


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


def shown(many2one: Any) -> str:
    """The name that a many2one field `[id, name]` shows; empty where there is none."""
    return str(many2one[1]) if many2one else ""


def base_name(name: str) -> str:
    """A production's name before Odoo numbered it as one of a chain: WH/MO/00007-002 -> WH/MO/00007."""
    head, dash, tail = name.rpartition("-")
    return head if dash and len(tail) == 3 and tail.isdigit() else name


async def read_chain(client: OdooClient, order_ref: str, *, with_cancelled: bool = False) -> list[Production]:
    """All productions of an order, oldest first, cancelled ones left out; by name only where no origin is of that order.

    Raises BusinessError where there are none, or where they are of several products (an origin that is not one order's).
    """
    records = await _search(client, [["origin", "=", order_ref]])
    if not records:
        records = await _search(client, [["origin", "=", False], ["name", "like", order_ref]])
        records = [record for record in records if base_name(str(record.get("name"))) == order_ref]
    chain = [Production.from_record(record) for record in records]
    chain = [production for production in chain if with_cancelled or production.state != "cancel"]
    if not chain:
        raise BusinessError(f"Odoo has no production with the origin {order_ref}, or it is cancelled")
    if products := sorted({production.product for production in chain})[1:]:
        raise BusinessError(
            f"the origin {order_ref} is of several products in Odoo, {chain[0].product} and {products[0]}: give each order its own"
        )
    return chain


async def _search(client: OdooClient, domain: list[Any]) -> list[dict[str, Any]]:
    return await client.read("mrp.production/search_read", {"domain": domain, "fields": FIELDS, "order": "id"})


def find(chain: Sequence[Production], event: MaterialActual) -> Found:
    """Whether the chain's total has the event's pieces; the id is the production that they completed.

    Raises BusinessError where the total is neither that before the event nor one with it: somebody posted by hand, or an
    event is missing.
    """
    done = [(production.id, production.produced) for production in chain if production.state == "done"]
    return found_by_total(done, event, "done")


def found_by_total(booked: Sequence[tuple[int, Decimal]], event: MaterialActual, what: str) -> Found:
    """Whether `booked` (records and their quantities, oldest first) reach the event's cumulative quantity, and which record does.

    Pure. Raises BusinessError, saying `what` they are, where the total is neither that before the event nor one with it.
    """
    total = sum((quantity for _, quantity in booked), Decimal(0))
    before = event.cumulative - event.quantity
    if total == before:
        return Found(is_posted=False)
    if total < event.cumulative:
        raise BusinessError(
            f"order {event.order_ref}: Odoo has {plain(total)} {what}, neither the {plain(before)} before this event nor the "
            f"{plain(event.cumulative)} after it: compare the postings and correct Odoo or this event"
        )
    running = Decimal(0)
    for record, quantity in booked:
        running += quantity
        if running >= event.cumulative:
            return Found(is_posted=True, external_id=str(record))
    raise AssertionError("the sum of the records reaches their total")


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


def check_unit(target: Production, order_ref: str, ours: str, uom: str) -> None:
    """Raise BusinessError where the production does not count in `uom`, which `ours` (converted: empty) stands for."""
    if ours not in PIECES or target.uom != uom:
        raise BusinessError(
            f"order {order_ref}: the event counts in {ours or uom}, Odoo's production in {target.uom}: name its unit "
            "in the connector's product_uom or units, or the factor in items"
        )


def product_code(production: Production) -> str:
    """The internal reference of what it makes, which Odoo shows before the name: `[HSG-L1] Bearing housing`."""
    code, bracket, _ = production.product.removeprefix("[").partition("]")
    return code if bracket and production.product.startswith("[") else production.product


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
