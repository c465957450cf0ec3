"""API_MATERIAL_DOCUMENT_SRV and API_MATERIAL_STOCK_SRV: goods movements, and the stock that they make."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from starlette.responses import Response

from simulators.systems.business import Booking, Use
from simulators.systems.sap_s4.call import PLANT, STORAGE, Call, Store, posting_day, quantity, text
from simulators.systems.sap_s4.odata import ODataError, Row, one

_MOVEMENTS: Final[dict[str, tuple[str, Use]]] = {"101": ("02", "good"), "261": ("03", "consumption")}
_REVERSING: Final = {"102": "101", "262": "261"}
_FIRST_YEAR: Final = 2026


def items(call: Call) -> Response:
    """A_MaterialDocumentItem."""
    return call.listing(_row(call.store, booking) for booking in call.store.shown())


def post(call: Call) -> Response:
    """Deep insert of one header with its items; all of them or none. Only one item is taken here."""
    sent = call.sent.get("to_MaterialDocumentItem")
    sent = sent.get("results") if isinstance(sent, dict) else sent
    if not isinstance(sent, list) or len(sent) != 1:
        raise ODataError(400, "M7/003", "The document has no item")
    booking = _book(call, sent[0])
    return one(
        {**_header(call.store, booking), "to_MaterialDocumentItem": {"results": [_row(call.store, booking)]}}, 201
    )


def cancel(store: Store, booking: Booking) -> Booking:
    """The function Cancel, as a person calls it: a document the other way, and the item says that it is cancelled."""
    other = {other: kind for kind, other in _REVERSING.items()}[str(booking.fields["GoodsMovementType"])]
    mirrored = store.business.reverse(booking, "", store.business.now().date())
    mirrored.fields = {**booking.fields, "GoodsMovementType": other}
    return mirrored


def stock(call: Call) -> Response:
    """A_MatlStkInAcctMod: a row for each storage location, batch and stock type that has had stock."""
    levels: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for booking in call.store.movements():
        place = (booking.item, str(booking.fields["StorageLocation"]), booking.lot)
        levels[place] += booking.quantity if booking.use == "good" else -booking.quantity
    for item, total in call.store.business.stock.items():
        elsewhere = sum((level for place, level in levels.items() if place[0] == item), Decimal(0))
        levels[item, STORAGE, ""] += total - elsewhere  # what was there before
    rows = [stock_row(call.store, *place, level) for place, level in levels.items()]
    return call.listing([*rows, *call.store.other_stock])


def stock_row(store: Store, material: str, place: str, batch: str, level: Decimal) -> Row:
    """Unrestricted stock of a material at a place, in its base unit."""
    return {
        "Material": material,
        "Plant": PLANT,
        "StorageLocation": place,
        "Batch": batch,
        **dict.fromkeys(("Supplier", "Customer", "WBSElementInternalID", "SDDocument", "SDDocumentItem"), ""),
        "InventorySpecialStockType": "",
        "InventoryStockType": "01",
        "MaterialBaseUnit": store.business.unit,
        "MatlWrhsStkQtyInMatlBaseUnit": f"{level:.3f}",
    }


def _header(store: Store, booking: Booking) -> Row:
    year, number = divmod(booking.id, store.numbers)
    return {
        "MaterialDocumentYear": str(_FIRST_YEAR + year),
        "MaterialDocument": f"49{number:08}",
        "ReferenceDocument": booking.reference,
    }


def _row(store: Store, booking: Booking) -> Row:
    fields = booking.fields
    return {
        **{name: value for name, value in _header(store, booking).items() if name != "ReferenceDocument"},
        "MaterialDocumentItem": "1",
        "Material": booking.item,
        "ManufacturingOrder": booking.order,
        "StorageLocation": fields["StorageLocation"],
        "GoodsMovementType": fields["GoodsMovementType"],
        "GoodsMovementIsCancelled": booking.is_reversed,
        "QuantityInEntryUnit": f"{abs(booking.quantity):.3f}",
        "EntryUnit": fields["EntryUnit"],
        "Batch": booking.lot,
        "to_MaterialDocumentHeader": _header(store, booking),
        "to_SerialNumbers": [{"SerialNumber": serial} for serial in fields.get("serials", [])],
    }


def _book(call: Call, item: dict[str, Any]) -> Booking:
    business, kind = call.store.business, text(item, "GoodsMovementType", 3)
    reference, unit = call.text("ReferenceDocument", 16), text(item, "EntryUnit", 3) or business.unit
    day, moved = posting_day(call.sent).date(), quantity(item, "QuantityInEntryUnit")
    order = text(item, "ManufacturingOrder", 12)
    fields: dict[str, Any] = {
        "GoodsMovementType": kind,
        "EntryUnit": unit,
        "StorageLocation": text(item, "StorageLocation", 4) or STORAGE,
    }
    code, use = _MOVEMENTS.get(_REVERSING.get(kind, kind), ("", "good"))
    if not code or call.sent.get("GoodsMovementCode") != code:
        raise ODataError(
            400, "M7/064", f"Movement type {kind} does not fit the code {call.sent.get('GoodsMovementCode')}"
        )
    if kind in {"101", "102"} and item.get("GoodsMovementRefDocType") != "F":
        raise ODataError(400, "M7/018", "Enter an order: GoodsMovementRefDocType F is missing")
    material = text(item, "Material", 40) if use == "consumption" else ""
    if kind in _REVERSING:
        return business.take_back(
            order, use, moved, reference=reference, unit=unit, posting_date=day, item=material, fields=fields
        )
    serials = item.get("to_SerialNumbers", {}).get("results", [])
    fields["serials"] = [text(serial, "SerialNumber", 18) for serial in serials]
    if serials and len(serials) != moved:
        raise ODataError(400, "IO/231", f"{len(serials)} serial numbers for a quantity of {moved}")
    return business.book(
        order, use, moved, reference=reference, unit=unit, posting_date=day, item=material,
        lot=text(item, "Batch", 10), fields=fields,
    )  # fmt: skip
