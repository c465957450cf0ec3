"""How a production comes to the state running, in which it takes events.

Tryton consumes all planned inputs when it starts an order. What events will tell of instead is set aside before: its planned moves
are cancelled, so that they stay to be seen and nothing consumes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import Step
from bridge.erp.quantity import Units
from bridge.erp.tryton82.client import to_date
from bridge.erp.tryton82.order import Order
from bridge.errors import BusinessError
from bridge.model.decimals import plain

DATE: Final = "date start"
CANCEL: Final = "POST stock.move/{id}/cancel"


class Told:
    """Which items are consumed as events tell (consumption = "told"), and not as planned."""

    def __init__(self, settings: TrytonSettings, units: Units) -> None:
        self._default = settings.consumption
        self._by_code: Mapping[str, str] = {units.code(item): way for item, way in settings.consumption_of.items()}

    def __contains__(self, code: str) -> bool:
        return self._by_code.get(code, self._default) == "told"


@dataclass(frozen=True, slots=True)
class Dates:
    """The day that an event is posted on, and the last day of a closed period (None: none is closed)."""

    effective: date
    closed: date | None

    def start_of(self, order: Order) -> date:
        """The day on which an order starts: the one that it has, if it can be posted on."""
        if order.start is not None and (self.closed is None or order.start > self.closed):
            return order.start
        return self.effective


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


def begin(order: Order, dates: Dates, told: Told) -> list[Step]:
    """What brings an order to the state running. The start is dated first, or its inputs are posted today."""
    if order.state not in ("waiting", "assigned"):
        return []
    path = f"production/{order.id}"
    steps = []
    if values := _dated(order, dates):
        steps.append(Step(DATE, f"PUT {path}", values, is_repeatable=True))
    if aside := [move.id for move in order.inputs if move.state != "done" and move.product_code in told]:
        steps.append(Step("set plan aside", CANCEL, {"moves": aside}, is_repeatable=True))
    if order.state == "waiting":
        steps.append(Step("reserve inputs", f"POST {path}/assign_try", {}, is_repeatable=True))
    return [*steps, Step("start", f"POST {path}/run", {}, is_repeatable=True)]


def _dated(order: Order, dates: Dates) -> dict[str, Any]:
    """The start's day, and that of the inputs where a period is closed: Tryton looks at their planned day as long as they have no other."""
    start = dates.start_of(order)
    values: dict[str, Any] = {}
    if order.start != start:
        values["effective_start_date"] = to_date(start)
    inputs = [move.id for move in order.inputs if move.state == "draft"]
    if dates.closed is not None and inputs:
        values["inputs"] = [["write", inputs, {"effective_date": to_date(start)}]]
    return values
