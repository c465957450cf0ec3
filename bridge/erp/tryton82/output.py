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
from bridge.erp.tryton82.lots import check_lot, lot_steps, lot_value
from bridge.erp.tryton82.order import CLOSED, Move, Order, done, find_by_total, reached
from bridge.erp.tryton82.start import check_open
from bridge.erp.tryton82.taking import TAKE, Taking
from bridge.errors import BusinessError
from bridge.model.production import Disposition, MaterialActual

CLOSE: Final = "close order"


def find(order: Order, event: MaterialActual, units: Units) -> Found:
    """By the total of the order's good pieces, or of its scrap; the last good piece is in when the order is closed."""
    found = find_posted(order, event, units)
    if found.is_posted and _closes(order, event, units) and order.state not in CLOSED:
        return Found(is_posted=False)
    return found


def find_posted(order: Order, event: MaterialActual, units: Units) -> Found:
    """The same, whether the order is closed or not."""
    quantity, cumulative = _amounts(order, event, units)
    moves, what = order.good(), f"order {order.name}"
    if event.disposition is Disposition.SCRAP:
        moves, what = order.scrap(), f"scrap of order {order.name}"
    found = find_by_total(moves, quantity, cumulative, what)
    if found.is_posted:
        check_lot(event, reached(moves, cumulative), what)
    return found


def plan(
    order: Order, event: MaterialActual, units: Units, effective: date, place: int | None, start: Sequence[Step]
) -> list[Step]:
    """Split, carry out, and close the order with its last good piece. `place`: where the material goes; None: as planned.

    `start` brings the order to the state running. Raises BusinessError where the order is not one that pieces can be posted to.
    """
    quantity, _ = _amounts(order, event, units)
    is_scrap = event.disposition is Disposition.SCRAP
    if find_posted(order, event, units).is_posted:
        return [close(order)]  # an attempt before came as far as this
    if is_scrap and order.state == "done":
        return _late_scrap(order, event, units, effective, place)
    check_open(order, quantity)
    drafts = [move for move in order.good() if move.state == "draft"]
    if not drafts:
        raise BusinessError(
            f"order {order.name} has no open output of {order.product_code} in Tryton: add one of what is to be made, then "
            "replay this event"
        )
    # What a lost attempt left: further drafts, and some that were to be scrap.
    lost = [*drafts[1:], *_scrap_drafts(order)]
    left = max(order.quantity - done(order.good()) - (Decimal(0) if is_scrap else quantity), Decimal(0))
    share = values(quantity, effective, place, is_scrap=is_scrap) | lot_value(order.product, event.lot)
    commands = [["write", [drafts[0].id], share], *rest(order, left, drafts[0].to_location), *delete(lost)]
    steps = [
        *lot_steps(order.product, event.lot),
        *start,
        Step("split output", f"PUT production/{order.id}", {"outputs": commands}, is_repeatable=False),
        Step("carry out", f"POST stock.move/{drafts[0].id}/do", {}, is_repeatable=True),
    ]
    return steps if left or is_scrap else [*steps, close(order)]


def produced(order: Order, quantity: Decimal, cumulative: Decimal, *, is_scrap: bool) -> Taking:
    """An output of the order's product, by what it is."""
    domain = [
        ["production_output", "=", order.id],
        ["product", "=", order.product],
        ["to_location.type", "=" if is_scrap else "!=", "lost_found"],
    ]
    return Taking(order.product_code, domain, quantity, cumulative)


def original(order: Order, event: MaterialActual, units: Units) -> Move:
    """The done move that an event of the order became. Raises BusinessError where there is none."""
    _, cumulative = _amounts(order, event, units)
    return reached(order.scrap() if event.disposition is Disposition.SCRAP else order.good(), cumulative)


def close(order: Order) -> Step:
    """The order is complete."""
    return Step(CLOSE, f"POST production/{order.id}/do", {}, is_repeatable=True)


def values(quantity: Decimal, effective: date, place: int | None, *, is_scrap: bool) -> dict[str, Any]:
    """What a draft output is written with to become an event's; scrap bears no cost."""
    written: dict[str, Any] = {"quantity": to_number(quantity), "effective_date": to_date(effective)}
    if place is not None:
        written["to_location"] = place
    return written | ({"currency": None, "unit_price": None} if is_scrap else {})


def rest(order: Order, left: Decimal, place: int) -> list[Any]:
    """The command that makes a draft of what is left to be made; none where nothing is."""
    if not left:
        return []
    return [["create", [new_output(order, left, place)]]]


def new_output(order: Order, quantity: Decimal, place: int) -> dict[str, Any]:
    """A further output of the order's product; Tryton works its price out when the order is closed."""
    return {
        "product": order.product, "unit": order.unit.id, "quantity": to_number(quantity), "from_location": order.location,
        "to_location": place, "currency": order.currency, "unit_price": {"__class__": "Decimal", "decimal": "0"},
    }  # fmt: skip


def delete(lost: Sequence[Move]) -> list[Any]:
    """The command that drops draft moves; none for none."""
    return [["delete", [move.id for move in lost]]] if lost else []


def _late_scrap(order: Order, event: MaterialActual, units: Units, effective: date, place: int | None) -> list[Step]:
    """Scrap that is told after the last good piece: a move of its own of the closed order, which bears no cost."""
    quantity, cumulative = _amounts(order, event, units)
    new = new_output(order, quantity, order.location) | values(quantity, effective, place, is_scrap=True)
    commands = [["create", [new | lot_value(order.product, event.lot)]], *delete(_scrap_drafts(order))]
    taking = produced(order, quantity, cumulative, is_scrap=True)
    return [
        *lot_steps(order.product, event.lot),
        Step("enter scrap", f"PUT production/{order.id}", {"outputs": commands}, is_repeatable=False),
        Step("carry out", TAKE, taking.to_json(), is_repeatable=True),
    ]


def _scrap_drafts(order: Order) -> list[Move]:
    return [move for move in order.scrap() if move.state == "draft"]


def _amounts(order: Order, event: MaterialActual, units: Units) -> tuple[Decimal, Decimal]:
    item = event.item or units.ours(order.product_code)
    if event.item and units.code(event.item) != order.product_code:
        raise BusinessError(
            f"order {order.name} makes {order.product_code} in Tryton, the event is of {event.item}: name Tryton's code in the "
            "connector's items, or correct the event's order"
        )
    return (
        order.amount(units, event.quantity, event.uom, item),
        order.amount(units, event.cumulative, event.uom, item),
    )


def _closes(order: Order, event: MaterialActual, units: Units) -> bool:
    """Whether it is the event with which the order has all its good pieces."""
    _, cumulative = _amounts(order, event, units)
    return event.disposition is Disposition.GOOD and cumulative >= order.quantity
