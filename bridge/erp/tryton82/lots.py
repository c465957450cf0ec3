"""Lots, where the database has Tryton's module stock_lot: a lot is a number of one product, and a move names it.

Nothing in Tryton keeps two lots from having one number: one is looked for before it is made, and of several the oldest counts.
Plans name a lot by its number; its id is found when the request goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.erp.connector import Step
from bridge.erp.tryton82.client import TrytonClient
from bridge.erp.tryton82.order import Move
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual

CREATE: Final = "POST stock.lot"
_ANY: Final = ["active", "in", [True, False]]  # archived ones too


def refuse_serials(event: MaterialActual) -> None:
    """Raise BusinessError for serials: Tryton has none, and a lot of one piece each would be a move each."""
    if event.serials:
        raise BusinessError(
            f"Tryton's connector carries no serials, and the event has {', '.join(event.serials)}: send an event a piece with the "
            "serial as its lot, or post it by hand"
        )


class Lots:
    """Whether the database has the module; asked for once it matters, and no more when it has."""

    def __init__(self, client: TrytonClient) -> None:
        self._client = client
        self._is_there = False

    async def are_there(self) -> bool:
        """Whether moves have lots."""
        self._is_there = self._is_there or bool(
            await self._client.search("ir.model", [["name", "=", "stock.lot"]], ["name"], limit=1)
        )
        return self._is_there

    async def check(self, *lots: str) -> bool:
        """Whether any lot is named. Raises BusinessError where one is and the database has none."""
        numbers = [lot for lot in lots if lot]
        if numbers and not await self.are_there():
            raise BusinessError(
                f"the event has the lot {numbers[0]}, and this database of Tryton's has no lots: activate the module stock_lot, or "
                "take the lot out of this event and replay it"
            )
        return bool(numbers)


async def find_lot(client: TrytonClient, product: int, number: str) -> int | None:
    """The id of a product's lot; the oldest where several have the number."""
    domain = [["number", "=", number], ["product", "=", product], _ANY]
    records = await client.search("stock.lot", domain, ["number"], limit=1)
    return int(records[0]["id"]) if records else None


async def stock_of_lot(client: TrytonClient, lot: int, location: int) -> Any:
    """What of a lot is in a location and below it, as Tryton answers it; None where it does not."""
    [record] = await client.search("stock.lot", [["id", "=", lot], _ANY], ["quantity"], locations=[location]) or [{}]
    return record.get("quantity")


def lot_value(product: int, number: str) -> dict[str, Any]:
    """What a move is written with to be of a lot; nothing for none."""
    return {"lot": {"number": number, "product": product}} if number else {}


def lot_steps(product: int, number: str) -> list[Step]:
    """What makes a lot that is not there yet; nothing for none."""
    return [Step("have lot", CREATE, {"number": number, "product": product}, is_repeatable=True)] if number else []


async def with_lots(client: TrytonClient, body: Any) -> Any:
    """A request's body with the lots that it names by number by their ids. Raises BusinessError for one that is gone."""
    if isinstance(body, Mapping):
        return {key: await _value(client, key, value) for key, value in body.items()}
    if isinstance(body, list):
        return [await with_lots(client, value) for value in body]
    return body


async def _value(client: TrytonClient, key: str, value: Any) -> Any:
    if key != "lot" or not isinstance(value, Mapping):
        return await with_lots(client, value)
    lot = await find_lot(client, int(value["product"]), str(value["number"]))
    if lot is None:
        raise BusinessError(f"Tryton has no lot {value['number']} of the product: create it, then replay this event")
    return lot


def check_lot(event: MaterialActual, move: Move, what: str) -> None:
    """Raise BusinessError where the move that seems to be the event's is of another lot: somebody posted by hand."""
    if event.lot and move.lot_number != event.lot:
        raise BusinessError(
            f"{what}: the event has the lot {event.lot}, and Tryton's move {move.id}, which reached its quantity, "
            f"{move.lot_number or 'none'}: compare the postings and correct Tryton or this event"
        )
