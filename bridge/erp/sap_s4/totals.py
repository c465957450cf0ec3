"""What SAP has of orders: net, in our unit.

Good is what was received from the order (MfgOrderItemGoodsReceiptQty, from which every 102 is taken off, whoever posted it); of an
order that nothing was ever received from, what its last operation confirmed (MfgOrderConfirmedYieldQty). Never the sum of both:
pieces that are confirmed and received are the same pieces. Scrap is what operations confirmed as such, cancellations taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from bridge.erp.connector import OrderTotals
from bridge.erp.odata import any_of
from bridge.erp.posting import quantity_of
from bridge.erp.quantity import Units
from bridge.erp.sap_s4.goods import ITEM_KEY, ITEMS, LONGEST_ORDER, ORDERS
from bridge.erp.sap_s4.odata import Gateway, Row, expanded
from bridge.errors import BusinessError

_ITEM: Final = "to_ProductionOrderItem"
_OPERATION: Final = "to_ProductionOrderOperation"
_WANTED: Final = ",".join(
    ["ManufacturingOrder", "Material", "ProductionUnit", "MfgOrderConfirmedYieldQty"]
    + [f"{_ITEM}/{field}" for field in ("Material", "MfgOrderItemGoodsReceiptQty")]
    + [f"{_OPERATION}/{field}" for field in ("OpTotalConfirmedScrapQty", "OperationUnit")]
)


async def read_totals(gateway: Gateway, units: Units, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
    """Per order that SAP knows. Raises BusinessError where a quantity is none of ours."""
    totals: dict[str, OrderTotals] = {}
    numbers = [number for number in order_refs if len(number.strip()) > 0 and len(number) <= LONGEST_ORDER]
    for expression in any_of("ManufacturingOrder", numbers):
        query = {"$filter": expression, "$select": _WANTED, "$expand": f"{_ITEM},{_OPERATION}"}
        rows = await gateway.rows(ORDERS, query, order="ManufacturingOrder")
        received = await _received_from(gateway, rows)
        for row in rows:
            number = str(row.get("ManufacturingOrder"))
            totals[number] = _totals(row, units, is_received=number in received)
    return totals


async def _received_from(gateway: Gateway, rows: list[Row]) -> frozenset[str]:
    """The orders that pieces were received from, even where all of them were taken back since."""
    numbers = {str(row.get("ManufacturingOrder")) for row in rows if _received(row)}
    unsure = [str(row.get("ManufacturingOrder")) for row in rows if not _received(row) and _yield(row)]
    for expression in any_of("ManufacturingOrder", unsure, "GoodsMovementType eq '101'"):
        query = {"$filter": expression, "$select": f"ManufacturingOrder,{ITEM_KEY}"}
        numbers |= {str(item.get("ManufacturingOrder")) for item in await gateway.rows(ITEMS, query, order=ITEM_KEY)}
    return frozenset(numbers)


def _totals(row: Row, units: Units, *, is_received: bool) -> OrderTotals:
    item, unit = units.ours(str(row.get("Material", ""))), str(row.get("ProductionUnit", ""))
    what = f"order {row.get('ManufacturingOrder')}"
    good = _received(row) if is_received else _yield(row)
    scrap = _scrap(row, unit)
    if (good or scrap) and units.unit(item) not in {"", unit}:
        raise BusinessError(
            f"{what}: SAP has it in {unit}, the connector's items have {item} in {units.unit(item)}: compare it by hand"
        )
    return OrderTotals(
        units.counted(good, item, what), None if scrap is None else units.counted(scrap, item, f"{what}, scrap")
    )


def _received(row: Row) -> Decimal:
    """Of what the order makes: what comes off beside it has items of its own."""
    items = [item for item in expanded(row, _ITEM) if item.get("Material") == row.get("Material")]
    return sum((quantity_of(item.get("MfgOrderItemGoodsReceiptQty")) for item in items), Decimal(0))


def _yield(row: Row) -> Decimal:
    return quantity_of(row.get("MfgOrderConfirmedYieldQty"))


def _scrap(row: Row, unit: str) -> Decimal | None:
    """The scrap of all operations; None where one of them has it in a unit of its own."""
    scrapped = [
        (quantity_of(each.get("OpTotalConfirmedScrapQty")), each.get("OperationUnit"))
        for each in expanded(row, _OPERATION)
    ]
    if any(quantity and named != unit for quantity, named in scrapped):
        return None
    return sum((quantity for quantity, _ in scrapped), Decimal(0))
