"""What a production made: good pieces into storage, scrap into a waste location, one done output move an event.

An order's planned output is a draft move of all its pieces. An event takes its share of it: one request turns the draft into
the event's move and makes a new draft of what is left, a second carries the move out. So nothing can be posted twice: the
first request is refused as a whole once the move is carried out, however late it comes, and so is a second carrying out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Found, Step
from bridge.erp.quantity import Units, to_number
from bridge.erp.tryton82.client import to_date
from bridge.erp.tryton82.order import Move, Order, done, find_by_total, plain
from bridge.errors import BusinessError
from bridge.model.production import Disposition, MaterialActual

DATE: Final = "date start"
CLOSE: Final = "close order"


def find(order: Order, event: MaterialActual, units: Units) -> Found:
    """By the total of the order's good pieces, or of its scrap; the last good piece is in when the order is closed."""
    quantity, cumulative = _amounts(order, event, units)
    if event.disposition is Disposition.SCRAP:
        return find_by_total(order.scrap(), quantity, cumulative, f"scrap of order {order.name}")
    found = find_by_total(order.good(), quantity, cumulative, f"order {order.name}")
    if found.is_posted and _is_to_close(order, done(order.good())):
        return Found(is_posted=False)
    return found


def plan(order: Order, event: MaterialActual, units: Units, effective: date, place: int | None) -> list[Step]:
    """Split, carry out, and close the order with its last good piece. `place`: where the material goes; None: as planned.

    Raises BusinessError where the order is not one that pieces can be posted to.
    """
    quantity, _ = _amounts(order, event, units)
    is_scrap = event.disposition is Disposition.SCRAP
    total = done(order.good())
    if not is_scrap and total == order.quantity and _is_to_close(order, total):
        return [close(order)]  # an attempt before came as far as this
    check_open(order, quantity)
    drafts = [move for move in order.good() if move.state == "draft"]
    if not drafts:
        raise BusinessError(
            f"order {order.name} has no open output of {order.product_code} in Tryton: add one of what is to be made, then "
            "replay this event"
        )
    # What a lost attempt left: further drafts, and some that were to be scrap.
    lost = [*drafts[1:], *(move for move in order.scrap() if move.state == "draft")]
    left = max(order.quantity - total - (Decimal(0) if is_scrap else quantity), Decimal(0))
    steps = [
        *begin(order, effective),
        Step(
            "split output",
            f"PUT production/{order.id}",
            {"outputs": _split(order, drafts[0], lost, quantity, left, effective, place, is_scrap=is_scrap)},
            is_repeatable=False,
        ),
        Step("carry out", f"POST stock.move/{drafts[0].id}/do", {}, is_repeatable=True),
    ]
    return steps if left or is_scrap else [*steps, close(order)]


def check_open(order: Order, quantity: Decimal) -> None:
    """Raise BusinessError where nothing can be made of the order."""
    match order.state:
        case "waiting" | "assigned" | "running":
            return
        case "done":
            raise BusinessError(
                f"order {order.name} is done in Tryton, and {plain(quantity)} more were made: release an order for them, then "
                "correct this event's order and replay it"
            )
        case state:
            raise BusinessError(
                f"order {order.name} is in the state {state} in Tryton: release it, then replay this event"
            )


def begin(order: Order, effective: date) -> list[Step]:
    """What brings an order to the state running. The start is dated first, or its inputs are posted today."""
    path = f"production/{order.id}"
    steps = []
    if order.state in ("waiting", "assigned") and not order.is_dated:
        steps.append(Step(DATE, f"PUT {path}", {"effective_start_date": to_date(effective)}, is_repeatable=True))
    if order.state == "waiting":
        steps.append(Step("reserve inputs", f"POST {path}/assign_try", {}, is_repeatable=True))
    if order.state in ("waiting", "assigned"):
        steps.append(Step("start", f"POST {path}/run", {}, is_repeatable=True))
    return steps


def close_early(order: Order, effective: date) -> list[Step]:
    """Close an order of which nothing more comes, and drop what it had still planned."""
    planned = [move.id for move in order.outputs if move.state == "draft"]
    drop = Step("drop rest", f"PUT production/{order.id}", {"outputs": [["delete", planned]]}, is_repeatable=False)
    return [*begin(order, effective), *([drop] if planned else []), close(order)]


def close(order: Order) -> Step:
    """The order is complete."""
    return Step(CLOSE, f"POST production/{order.id}/do", {}, is_repeatable=True)


def _amounts(order: Order, event: MaterialActual, units: Units) -> tuple[Decimal, Decimal]:
    item = event.item or units.ours(order.product_code)
    if event.item and units.code(event.item) != order.product_code:
        raise BusinessError(
            f"order {order.name} makes {order.product_code} in Tryton, the event is of {event.item}: name Tryton's code in the "
            "connector's items, or correct the event's order"
        )
    return (
        order.unit.amount(units, event.quantity, event.uom, item),
        order.unit.amount(units, event.cumulative, event.uom, item),
    )


def _is_to_close(order: Order, total: Decimal) -> bool:
    return total >= order.quantity and order.state not in ("done", "cancelled")


def _split(
    order: Order,
    first: Move,
    lost: Sequence[Move],
    quantity: Decimal,
    left: Decimal,
    effective: date,
    place: int | None,
    *,
    is_scrap: bool,
) -> list[Any]:
    """The first draft becomes the event's move, a new one holds what is left, and what was lost goes."""
    values: dict[str, Any] = {"quantity": to_number(quantity), "effective_date": to_date(effective)}
    if place is not None:
        values["to_location"] = place
    if is_scrap:
        values |= {"currency": None, "unit_price": None}
    commands: list[Any] = [["write", [first.id], values]]
    if left:
        rest = {
            "product": order.product, "unit": order.unit.id, "quantity": to_number(left), "from_location": order.location,
            "to_location": first.to_location, "currency": order.currency,
            "unit_price": {"__class__": "Decimal", "decimal": "0"},
        }  # fmt: skip
        commands.append(["create", [rest]])
    if lost:
        commands.append(["delete", [move.id for move in lost]])
    return commands
