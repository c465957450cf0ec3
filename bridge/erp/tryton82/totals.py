"""What Tryton holds as made and as scrapped of many orders at once, net and in our unit.

Good pieces are the done output moves of an order's product less the done moves that bring it back: inputs of the same production
(nothing else puts a product into its own production), and moves whose origin is one of those outputs. Scrap is the same for moves
into waste. A move that somebody cancelled is not done, and so is not counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import structlog

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import OrderTotals
from bridge.erp.quantity import Units, from_number
from bridge.erp.tryton82.client import TrytonClient
from bridge.errors import BusinessError, TransientError

log = structlog.get_logger()

_ORDER: Final = ("reference", "number", "product.code", "unit.symbol", "unit.name")
_MOVE: Final = (
    "production_output", "production_input", "product", "quantity", "unit.digits", "from_location", "to_location.type", "origin",
)  # fmt: skip
_ORDERS_AT_ONCE: Final = 50  # whose moves are in memory
_LONGEST_DOMAIN: Final = 2000  # characters of JSON; web servers and their proxies take addresses of 8 kB


@dataclass(frozen=True, slots=True)
class _Production:
    id: int
    product: int
    code: str
    unit: int
    unit_names: frozenset[str]


async def read_totals(
    client: TrytonClient, settings: TrytonSettings, units: Units, order_refs: Sequence[str]
) -> dict[str, OrderTotals]:
    """Totals by order; orders that Tryton does not know, or that it knows twice, are left out.

    Raises BusinessError, naming the order, where its moves are in a unit that is not exactly ours.
    """
    productions = list((await _productions(client, order_refs)).items())
    totals = {}
    for first in range(0, len(productions), _ORDERS_AT_ONCE):
        some = productions[first : first + _ORDERS_AT_ONCE]
        moves = await _moves(client, [production.id for _, production in some])
        for order_ref, production in some:
            made = _made(moves[production.id], production, order_ref)
            item = units.ours(production.code)
            _check_unit(production, settings, item, order_ref)
            good, scrap = (units.counted(made[is_waste], item, f"order {order_ref}") for is_waste in (False, True))
            totals[order_ref] = OrderTotals(good, scrap)
    return totals


def batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, each once, in lists that fit into an address."""
    batch: list[Any] = []
    length = 0
    for value in dict.fromkeys(values):
        size = len(json.dumps(value)) + 2
        if batch and length + size > _LONGEST_DOMAIN:
            yield batch
            batch, length = [], 0
        batch.append(value)
        length += size
    if batch:
        yield batch


async def _productions(client: TrytonClient, order_refs: Sequence[str]) -> dict[str, _Production]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    wanted = set(order_refs)
    for field in ("number", "reference"):  # what has the reference stands before what has the number
        named: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for batch in batches(order_refs):
            domain = [["company", "=", client.company], ["state", "!=", "cancelled"], [field, "in", batch]]
            for record in await client.search_all("production", domain, _ORDER):
                named[_text(record, field)].append(record)
        found |= {name: records for name, records in named.items() if name in wanted}
    for name, records in found.items():
        if len(records) > 1:
            log.warning("several productions have one reference, its totals are left out", order=name)
    return {name: _production(records[0]) for name, records in found.items() if len(records) == 1}


async def _moves(client: TrytonClient, productions: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
    """The done moves by production, with those that bring back what it made."""
    moves: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    home: dict[str, int] = {}
    for batch in batches(productions):
        for side in ("production_output", "production_input"):
            for move in await client.search_all("stock.move", [["state", "=", "done"], [side, "in", batch]], _MOVE):
                moves[move[side]][move["id"]] = move
                if side == "production_output":
                    home[f"stock.move,{move['id']}"] = move[side]
    wasted = [
        f"stock.move,{each['id']}"
        for made in moves.values()
        for each in made.values()
        if _is_waste(each, "to_location")
    ]
    for batch in batches(wasted):  # scrap is taken back outside of its production
        for move in await client.search_all("stock.move", [["state", "=", "done"], ["origin", "in", batch]], _MOVE):
            moves[home[move["origin"]]][move["id"]] = move
    return {production: list(made.values()) for production, made in moves.items()} | {
        production: [] for production in productions if production not in moves
    }


def _made(moves: Sequence[Mapping[str, Any]], production: _Production, order_ref: str) -> dict[bool, Decimal]:
    """Net quantity by whether it is scrap."""
    made = {False: Decimal(0), True: Decimal(0)}
    outputs = {f"stock.move,{move['id']}": move for move in moves if move["production_output"] == production.id}
    for move in moves:
        if move["product"] != production.product:
            continue
        if move["unit"]["id"] != production.unit:
            raise BusinessError(
                f"order {order_ref}: Tryton's move {move['id']} is in another unit than the order: bring them to one"
            )
        quantity = from_number(move["quantity"], int(move["unit"]["digits"]), "Tryton")
        if move["production_output"] == production.id:
            made[_is_waste(move, "to_location")] += quantity
        else:
            original = outputs.get(move["origin"])
            made[original is not None and _is_waste(original, "to_location")] -= quantity
    return made


def _is_waste(move: Mapping[str, Any], side: str) -> bool:
    return bool(move[side]["type"] == "lost_found")


def _check_unit(production: _Production, settings: TrytonSettings, item: str, order_ref: str) -> None:
    mapping = settings.items.get(item)
    if mapping is not None and mapping.uom and mapping.uom not in production.unit_names:
        raise BusinessError(
            f"order {order_ref}: Tryton counts it in {min(production.unit_names)}, the connector's items in {mapping.uom}: "
            "correct the unit of the item, or of the production"
        )


def _production(record: Mapping[str, Any]) -> _Production:
    try:
        return _Production(
            int(record["id"]),
            int(record["product"]["id"]),
            str(record["product"]["code"] or ""),
            int(record["unit"]["id"]),
            frozenset((str(record["unit"]["symbol"]), str(record["unit"]["name"]))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BusinessError(
            f"production {record.get('reference') or record.get('number')} of Tryton's cannot be read: it needs a product and a unit"
        ) from error


def _text(record: Mapping[str, Any], field: str) -> str:
    if field not in record:
        raise TransientError(f"production was answered without its {field}")
    return str(record[field])
