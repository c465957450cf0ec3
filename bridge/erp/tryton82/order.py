"""A production of Tryton's with its moves, as the events of its order need it.

Outputs are what it made (into storage: good; into a place of type lost and found: scrap), inputs what it used: those of its bill
of materials have no origin, those that events entered have one of its outputs. A move has no place for an event's id. The event's
cumulative quantity stands in for it: the total of the done moves of its kind says whether it is in, and the move that reached it
is its document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.erp.connector import Found
from bridge.erp.quantity import Units, from_number
from bridge.erp.tryton82 import unit as units_of_measure
from bridge.erp.tryton82.client import TrytonClient, day_of
from bridge.erp.tryton82.unit import Unit
from bridge.errors import BusinessError
from bridge.model.decimals import plain

_UNIT: Final = tuple(f"unit.{name}" for name in units_of_measure.FIELDS)
_MOVE: Final = (
    "state", "quantity", "internal_quantity", "assignation_required", "origin", "product.code", "from_location", "to_location.type",
    *_UNIT,
)  # fmt: skip
_ORDER: Final = (
    "reference", "number", "state", "quantity", "effective_start_date", "product.code", *_UNIT,
    *(f"product.default_uom.{name}" for name in units_of_measure.FIELDS), "location", "company.currency", "company.timezone", "warehouse.waste_locations.name", "warehouse.waste_locations.code",
)  # fmt: skip
_LOT: Final = ("lot.number",)  # a field of the module stock_lot
_INTERNAL_DIGITS: Final = 9  # no unit of Tryton's has more
CLOSED: Final = frozenset({"done", "cancelled"})


@dataclass(frozen=True, slots=True)
class Move:
    """A stock move of a production; `origin` is the move that it takes back or was entered for, as `stock.move,13`.

    `internal` is the quantity in the product's default unit. `is_reserved_first`: it takes from stock, which has to be reserved.
    """

    id: int
    state: str
    quantity: Decimal
    internal: Decimal
    unit: Unit
    origin: str | None
    product: int
    product_code: str
    from_location: int
    to_location: int
    is_waste: bool
    is_reserved_first: bool
    lot: int | None
    lot_number: str

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Read what was asked for of a move."""
        unit = Unit.from_record(record["unit"])
        lot = record.get("lot")
        return cls(
            id=int(record["id"]),
            state=str(record["state"]),
            quantity=from_number(record["quantity"], unit.digits, "Tryton"),
            internal=from_number(record["internal_quantity"], _INTERNAL_DIGITS, "Tryton"),
            unit=unit,
            origin=record["origin"],
            product=int(record["product"]["id"]),
            product_code=str(record["product"]["code"] or ""),
            from_location=int(record["from_location"]),
            to_location=int(record["to_location"]["id"]),
            is_waste=record["to_location"]["type"] == "lost_found",
            is_reserved_first=bool(record["assignation_required"]),
            lot=int(lot["id"]) if lot else None,
            lot_number=str(lot["number"]) if lot else "",
        )

    @property
    def reference(self) -> str:
        """As an origin names it."""
        return f"stock.move,{self.id}"


@dataclass(frozen=True, slots=True)
class Order:
    """A production. Its moves are by id, which is the order in which events became moves; cancelled ones are left out.

    `start` is the day on which it starts, if somebody has said so; `anchor` its first output, cancelled or not: the origin of the
    inputs that events enter.
    """

    id: int
    name: str
    state: str
    quantity: Decimal
    start: date | None
    product: int
    product_code: str
    unit: Unit
    stock_unit: Unit
    location: int
    currency: int
    zone: ZoneInfo
    waste: dict[int, frozenset[str]]
    inputs: tuple[Move, ...]
    outputs: tuple[Move, ...]
    anchor: str | None

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Read what was asked for. Raises BusinessError where something is missing or is not what it should be."""
        name = str(record.get("reference") or record.get("number"))
        try:
            unit = Unit.from_record(record["unit"])
            return cls(
                id=int(record["id"]),
                name=name,
                state=str(record["state"]),
                quantity=from_number(record["quantity"], unit.digits, "Tryton"),
                start=day_of(record["effective_start_date"]),
                product=int(record["product"]["id"]),
                product_code=str(record["product"]["code"] or ""),
                unit=unit,
                stock_unit=Unit.from_record(record["product"]["default_uom"]),
                location=int(record["location"]),
                currency=int(record["company"]["currency"]),
                zone=ZoneInfo(record["company"]["timezone"] or "UTC"),
                waste={
                    int(place["id"]): frozenset(str(place[key]) for key in ("name", "code") if place[key])
                    for place in record["warehouse"]["waste_locations"]
                },
                inputs=_moves(record["inputs"]),
                outputs=_moves(record["outputs"]),
                anchor=min((f"stock.move,{output['id']}" for output in record["outputs"]), key=_id_of, default=None),
            )
        except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
            raise BusinessError(
                f"production {name} of Tryton's cannot be read: {type(error).__name__} {error}: it needs a product, a "
                "quantity, a unit and a warehouse"
            ) from error

    def amount(self, units: Units, quantity: Decimal, uom: str, item: str) -> Decimal:
        """A quantity of what the order makes in its unit. Raises BusinessError where it is not exact there or in stock."""
        return self.unit.amount(units, quantity, uom, item, self.stock_unit)

    def good(self) -> list[Move]:
        """Outputs of the product into storage."""
        return [move for move in self.outputs if move.product == self.product and not move.is_waste]

    def scrap(self) -> list[Move]:
        """Outputs of the product into waste."""
        return [move for move in self.outputs if move.product == self.product and move.is_waste]

    def consumed(self, product: int) -> list[Move]:
        """Inputs of a product that events entered."""
        return [move for move in self.inputs if move.product == product and move.origin is not None]

    def planned(self, product: int) -> list[Move]:
        """Inputs of a product that the bill of materials, or a person, entered."""
        return [move for move in self.inputs if move.product == product and move.origin is None]

    def today(self) -> date:
        """The date now where the company is."""
        return datetime.now(UTC).astimezone(self.zone).date()


def _id_of(reference: str) -> int:
    return int(reference.partition(",")[2])


def _moves(records: Iterable[dict[str, Any]]) -> tuple[Move, ...]:
    moves = sorted((Move.from_record(record) for record in records), key=lambda move: move.id)
    return tuple(move for move in moves if move.state != "cancelled")


async def read_order(client: TrytonClient, order_ref: str, *, with_lots: bool = False) -> Order:
    """The production whose reference is the order, or else whose number is. Raises BusinessError for none or several.

    `with_lots` asks for the lots of its moves too, which a database without the module stock_lot does not know.
    """
    domain = [
        ["company", "=", client.company],
        ["state", "!=", "cancelled"],
        ["OR", ["reference", "=", order_ref], ["number", "=", order_ref]],
    ]
    moves = _move_fields(with_lots)
    fields = (*_ORDER, *(f"{side}.{name}" for side in ("inputs", "outputs") for name in moves))
    records = await client.search("production", domain, fields, limit=3)
    records = [record for record in records if record.get("reference") == order_ref] or records
    if not records:
        raise BusinessError(
            f"Tryton has no production with the reference or number {order_ref}, or it is cancelled: enter it there, or"
            " correct the event's order_ref, then replay this event"
        )
    if len(records) > 1:
        raise BusinessError(
            f"Tryton has several productions with the reference {order_ref}: give each its own, then replay this event"
        )
    return Order.from_record(records[0])


async def read_moves(client: TrytonClient, domain: Sequence[Any]) -> list[Move]:
    """Stock moves that a domain selects, by id, cancelled ones left out; without their lots."""
    return list(_moves(await client.search_all("stock.move", domain, _MOVE)))


def _move_fields(with_lots: bool) -> tuple[str, ...]:
    return (*_MOVE, *_LOT) if with_lots else _MOVE


def done(moves: Sequence[Move]) -> Decimal:
    """The total of the moves that are carried out."""
    return sum((move.quantity for move in moves if move.state == "done"), Decimal(0))


def find_by_total(moves: Sequence[Move], quantity: Decimal, cumulative: Decimal, what: str) -> Found:
    """Whether the done moves' total has the event; its document is the move that reached its cumulative quantity.

    Raises BusinessError where the total is neither that before the event nor one with it: somebody posted by hand, or an
    event is missing.
    """
    if len({move.unit.id for move in moves}) > 1:
        raise BusinessError(f"{what}: Tryton's moves are in several units: bring them to one, then replay this event")
    total, before = done(moves), cumulative - quantity
    if total == before:
        return Found(is_posted=False)
    if total < cumulative:
        raise BusinessError(
            f"{what}: Tryton has {plain(total)}, neither the {plain(before)} before this event nor the {plain(cumulative)} "
            "after it: compare the postings and correct Tryton or this event"
        )
    return Found(is_posted=True, external_id=f"stock.move,{reached(moves, cumulative).id}")


def reached(moves: Sequence[Move], cumulative: Decimal) -> Move:
    """The done move with which the total came to `cumulative`. Raises BusinessError where it has not."""
    running = Decimal(0)
    for move in moves:
        if move.state == "done":
            running += move.quantity
            if running >= cumulative:
                return move
    raise BusinessError(f"Tryton's moves come to {plain(running)}, not to the {plain(cumulative)} of the event")
