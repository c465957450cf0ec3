"""API_PROD_ORDER_CONFIRMATION_2_SRV: what operations yielded and scrapped, and its cancellation, which is of the whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from starlette.responses import Response

from simulators.systems.business import Booking, RefusedError
from simulators.systems.sap_s4.call import OPERATIONS, REASONS, Call, Store, posting_day, quantity
from simulators.systems.sap_s4.odata import ODataError, Row, from_date, one, parameter

_NOWHERE: Final = "00000000-0000-0000-0000-000000000000"


def confirmations(call: Call) -> Response:
    """ProdnOrdConf2."""
    return call.listing(_row(booking) for booking in call.store.confirmations())


def confirm(call: Call) -> Response:
    """A new confirmation. The same ExternalSystemConfirmation is taken twice: SAP documents no check of it."""
    operation, reason = call.text("OrderOperation", 4), call.text("VarianceReasonCode", 4)
    if operation not in OPERATIONS:
        raise ODataError(400, "RU/014", f"Operation {operation} does not exist in order {call.sent.get('OrderID')}")
    if reason and reason not in REASONS:
        raise RefusedError("unknown_reason", f"Reason {reason} does not exist")
    yielded, scrapped = (quantity(call.sent, f"Confirmation{what}Quantity") for what in ("Yield", "Scrap"))
    fields = {
        "OrderOperation": operation,
        "ConfirmationUnit": call.text("ConfirmationUnit", 3),
        "ConfirmationText": call.text("ConfirmationText", 40),
        "VarianceReasonCode": reason,
        "IsFinalConfirmation": _truth(call.sent, "IsFinalConfirmation"),
    }
    reference = call.text("ExternalSystemConfirmation", 36) or _NOWHERE
    booking = enter(
        call.store, call.text("OrderID", 12), yielded, scrapped, fields,
        reference=reference, posting_date=posting_day(call.sent).date(),
    )  # fmt: skip
    return one(_row(booking), 201)


def enter(
    store: Store, order: str, yielded: Decimal, scrapped: Decimal, fields: dict[str, Any], **common: Any
) -> Booking:
    """Book a confirmation. An order's operation has a group, in which its confirmations and cancellations are counted."""
    group = (
        f"{100 + sorted(store.business.orders).index(store.business.order(order).number):06}{fields['OrderOperation']}"
    )
    reason = str(fields.get("VarianceReasonCode", ""))
    return store.business.confirm(
        order, yielded, scrapped, unit=str(fields["ConfirmationUnit"]), is_end=bool(fields.get("IsFinalConfirmation")), reason=REASONS.get(reason, reason),
        fields={**fields, "ConfirmationGroup": group, "ConfirmationCount": _next(store, group)}, **common,
    )  # fmt: skip


def cancel(call: Call) -> Response:
    """The function CancelProdnOrdConf: keys and parameters as literals in the address."""
    query = call.request.query_params
    wanted = {name: parameter(query.get(name)) for name in ("ConfirmationGroup", "ConfirmationCount")}
    found = [b for b in call.store.confirmations() if all(b.fields[name] == value for name, value in wanted.items())]
    if not found:
        raise ODataError(404, "RU/155", f"Confirmation {wanted['ConfirmationGroup']} does not exist")
    reference = parameter(query.get("ExternalSystemConfirmation"), "guid") or _NOWHERE
    day = from_date(parameter(query.get("PostingDate"), "datetime")) or call.store.business.now()
    count = _next(call.store, wanted["ConfirmationGroup"])
    mirrored = call.store.business.reverse(found[0], reference, day.date())
    mirrored.fields = {**found[0].fields, "ConfirmationCount": count, "ConfirmationText": ""}
    return one(_row(mirrored))


def _next(store: Store, group: str) -> str:
    return f"{sum(each.fields['ConfirmationGroup'] == group for each in store.confirmations()) + 1:08}"


def _truth(sent: dict[str, Any], name: str) -> bool:
    value = sent.get(name, False)
    if not isinstance(value, bool):
        raise ODataError(400, "CX_SXML_PARSE_ERROR/1", f"Property {name}: true or false was expected")
    return value


def _row(booking: Booking) -> Row:
    fields = booking.fields
    return {
        "OrderID": booking.order,
        "ExternalSystemConfirmation": booking.reference or _NOWHERE,
        "IsReversed": booking.is_reversed,
        "IsReversal": booking.reverses is not None,
        "ConfirmationYieldQuantity": f"{abs(booking.quantity):.3f}",
        "ConfirmationScrapQuantity": f"{abs(booking.scrap):.3f}",
        "to_ProdnOrdConfMatlDocItm": [],
        **fields,
    }
