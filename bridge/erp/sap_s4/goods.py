"""Goods movements: pieces received from an order (101), material issued to it (261), and both taken back (102, 262).

API_MATERIAL_DOCUMENT_SRV, deep insert of a header with its item. The header's ReferenceDocument has 16 characters and carries the
first 80 bits of the event's id; SAP takes the same reference twice without a word, so it is looked for before anything is sent.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Found
from bridge.erp.http import Request
from bridge.erp.odata import literal
from bridge.erp.posting import (
    Document,
    carrying,
    check_same,
    check_total,
    key16,
    order_unit,
    posting_day,
    quantity_of,
)
from bridge.erp.quantity import Posted, Units
from bridge.erp.sap_s4.odata import Draft, Gateway, Row, fitting
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, MaterialUse, Reversal

ITEMS: Final = "API_MATERIAL_DOCUMENT_SRV/A_MaterialDocumentItem"
HEADERS: Final = "API_MATERIAL_DOCUMENT_SRV/A_MaterialDocumentHeader"
ORDERS: Final = "API_PRODUCTION_ORDER_2_SRV/A_ProductionOrder_2"
ITEM_KEY: Final = "MaterialDocumentYear,MaterialDocument,MaterialDocumentItem"  # whole: pages of equal keys overlap
_WANTED: Final = f"{ITEM_KEY},Material,QuantityInEntryUnit,to_MaterialDocumentHeader/ReferenceDocument"
LONGEST_ORDER: Final = 12  # a longer number is none of SAP's, and no value for its property
DIGITS: Final = 3  # of a quantity (QUAN 13,3)
_RECEIPT: Final = ("02", "101")
_ISSUE: Final = ("03", "261")
_TAKEN_BACK: Final = {"101": "102", "261": "262"}


class Goods:
    """The goods movements of a plant's orders."""

    def __init__(self, settings: SapS4Settings, gateway: Gateway, units: Units) -> None:
        self._settings = settings
        self._gateway = gateway
        self._units = units

    async def find(self, event: MaterialActual | Reversal) -> Found:
        """The document with the event's reference, among those of its order and movement type.

        Raises BusinessError where it is of other pieces.
        """
        _, movement = _kind(event)
        return self._found(event, await self._documents(event.order_ref, movement, ""))

    async def plan(self, event: MaterialActual | Reversal) -> list[Draft]:
        """The document; none where SAP has it. Raises BusinessError where order, unit, quantity or total do not fit."""
        code, movement = _kind(event)
        actual = event.reverses if isinstance(event, Reversal) else event
        assert isinstance(actual, MaterialActual)
        order = await released_order(self._gateway, event.order_ref, is_open=not isinstance(event, Reversal))
        consumed = self._units.code(actual.item) if actual.use is MaterialUse.CONSUMED else ""
        documents = await self._documents(event.order_ref, movement, consumed)
        if self._found(event, documents).is_posted:
            return []
        if actual.serials and event.quantity != actual.quantity:
            raise BusinessError(
                f"order {event.order_ref}: {event.quantity} of {len(actual.serials)} serial numbers are to be taken back, and which "
                "of them nothing says: post movement 102 or 262 in SAP"
            )
        posted = self._posted(event.quantity, actual, order)
        if isinstance(event, MaterialActual):
            before = self._posted(event.cumulative - event.quantity, actual, order).quantity
            check_total(event, documents, before, posted.uom)
        item = self._item(actual, order, posted, movement, consumed)
        request = Request("POST", HEADERS, is_repeatable=False, json=self._header(event, code, item))
        return [Draft(f"post {event.kind}", event.event_id, request)]

    def _found(self, event: MaterialActual | Reversal, documents: list[Document]) -> Found:
        document = carrying(documents, key16(event.event_id))
        if document is None:
            return Found(is_posted=False)
        actual = event.reverses if isinstance(event, Reversal) else event
        assert isinstance(actual, MaterialActual)
        item = actual.item or self._units.ours(document.item)
        posted = self._units.posted(event.quantity, actual.uom, item, DIGITS)
        check_same(event.order_ref, document.id, [document.quantity], [posted.quantity])
        return Found(is_posted=True, external_id=document.id)

    def _posted(self, quantity: Decimal, actual: MaterialActual, order: Row) -> Posted:
        item = actual.item or self._units.ours(str(order.get("Material", "")))
        posted = self._units.posted(quantity, actual.uom, item, DIGITS)
        if actual.use is MaterialUse.CONSUMED:
            return posted  # a unit that is not named is the material's own
        return Posted(posted.quantity, order_unit(actual, posted.uom, str(order.get("ProductionUnit", ""))))

    def _header(self, event: MaterialActual | Reversal, code: str, item: dict[str, Any]) -> dict[str, Any]:
        day = edm_day(posting_day(event.occurred_at, self._settings.time_zone))
        return {
            "GoodsMovementCode": code,
            "PostingDate": day,
            "DocumentDate": day,
            "ReferenceDocument": key16(event.event_id),
            "MaterialDocumentHeaderText": f"amor {event.order_ref} {event.sequence}"[:25],
            "to_MaterialDocumentItem": {"results": [item]},
        }

    def _item(self, actual: MaterialActual, order: Row, posted: Posted, movement: str, consumed: str) -> dict[str, Any]:
        place = self._settings.locations.get(actual.location, actual.location)
        item = {
            "Material": consumed or str(order["Material"]),
            "Plant": self._settings.plant,
            "StorageLocation": fitting("location", place, 4)
            or self._settings.storage_location
            or str(order.get("StorageLocation", "")),
            "GoodsMovementType": movement,
            "ManufacturingOrder": actual.order_ref,
            "QuantityInEntryUnit": f"{posted.quantity:f}",
        }
        if posted.uom:
            item["EntryUnit"] = posted.uom
        if not consumed:
            item |= {"GoodsMovementRefDocType": "F", "ManufacturingOrderItem": "1"}
        if actual.lot:
            item["Batch"] = fitting("lot", actual.lot, 10)
        serials = [{"SerialNumber": fitting("serial", serial, 18)} for serial in actual.serials]
        return item | ({"to_SerialNumbers": {"results": serials}} if serials else {})

    async def _documents(self, order_ref: str, movement: str, material: str) -> list[Document]:
        """The movements of an order, of one type and, where a material is named, of that."""
        expression = f"ManufacturingOrder eq {literal(order_ref)} and GoodsMovementType eq {literal(movement)}"
        if material:
            expression += f" and Material eq {literal(material)}"
        query = {"$filter": expression, "$select": _WANTED, "$expand": "to_MaterialDocumentHeader"}
        rows = await self._gateway.rows(ITEMS, query, order=ITEM_KEY)
        return [_document(row) for row in rows]


def _kind(event: MaterialActual | Reversal) -> tuple[str, str]:
    """Code and movement type."""
    actual = event.reverses if isinstance(event, Reversal) else event
    code, movement = _ISSUE if isinstance(actual, MaterialActual) and actual.use is MaterialUse.CONSUMED else _RECEIPT
    return code, _TAKEN_BACK[movement] if isinstance(event, Reversal) else movement


def _document(row: Row) -> Document:
    header = row.get("to_MaterialDocumentHeader")
    reference = header.get("ReferenceDocument") if isinstance(header, dict) else None
    try:
        number = f"{row['MaterialDocument']}/{row['MaterialDocumentYear']}"
        quantity = quantity_of(row["QuantityInEntryUnit"])
        return Document(number, str(reference or ""), quantity, str(row.get("Material", "")))
    except KeyError as error:
        raise BusinessError(f"SAP gives a goods movement without {error}") from error


async def released_order(gateway: Gateway, order_ref: str, *, is_open: bool) -> Row:
    """The production order. Raises BusinessError where there is none, or where it must be open and is not."""
    query = {"$filter": f"ManufacturingOrder eq {literal(order_ref)}"}
    order = await gateway.first(ORDERS, query) if len(order_ref) <= LONGEST_ORDER else None
    if order is None:
        raise BusinessError(f"SAP has no production order {order_ref}")
    if is_open and (state := order_state(order)) != "released":
        raise BusinessError(
            f"order {order_ref} is {state} in SAP: release it, or correct the order, then replay this event"
        )
    return order


def order_state(order: Row) -> str:
    """planned, released, done or cancelled."""
    if order.get("OrderIsMarkedForDeletion"):
        return "cancelled"
    if order.get("OrderIsTechnicallyCompleted") or order.get("OrderIsClosed"):
        return "done"
    return "released" if order.get("OrderIsReleased") or order.get("OrderIsPartiallyConfirmed") else "planned"


def edm_day(day: date) -> str:
    """A day as Edm.DateTime."""
    return f"{day.isoformat()}T00:00:00"
