"""The business behind every simulated system: orders, bookings, maintenance requests, shipments, stock; in memory.

A booking is checked in full before anything is written, so that a refusal leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Literal

State = Literal["planned", "released", "done", "cancelled"]
Use = Literal["good", "scrap", "consumption", "confirmation"]

PRODUCT = "HSG-L1"
COMPONENT = "BAR-60"
LINES = ("line1", "line2")
EQUIPMENT = tuple(
    f"acme/dortmund/machining/line{line}/{kind}{line}" for line in (1, 2) for kind in ("saw", "cnc", "insp")
)
REASONS = ("SURFACE", "DIMENSION", "OTHER")


class RefusedError(Exception):
    """The business does not allow it; `code` is one of the few reasons that systems put into their own words."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(slots=True)
class Order:
    """A production order; `good` and `scrap` are what was booked and not reversed, `confirmed` what operations reported."""

    number: str
    quantity: Decimal
    unit: str
    work_center: str
    due: datetime
    changed_at: datetime
    state: State = "released"
    product: str = PRODUCT
    good: Decimal = Decimal(0)
    scrap: Decimal = Decimal(0)
    confirmed: Decimal = Decimal(0)


@dataclass(slots=True)
class Booking:
    """One posting; `reference` is what the other side calls it, `scrap` the part of a confirmation that is none."""

    id: int
    order: str
    use: Use
    quantity: Decimal
    reference: str
    posting_date: date
    reason: str = ""
    item: str = PRODUCT
    lot: str = ""
    scrap: Decimal = Decimal(0)
    is_reversed: bool = False
    reverses: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """A request for maintenance."""

    id: int
    reference: str
    equipment: str
    title: str
    changed_at: datetime
    state: str = "open"
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Shipment:
    """A delivery to a customer; `shipped_at` is None while it stands here."""

    number: str
    order_ref: str
    created_at: datetime
    planned_at: datetime
    due_at: datetime
    changed_at: datetime
    shipped_at: datetime | None = None


class Business:
    """All of it. `unit` is the system's name of a piece; `now` gives aware UTC."""

    def __init__(self, unit: str, now: Callable[[], datetime] = lambda: datetime.now(UTC), orders: int = 6) -> None:
        self.unit = unit
        self.now = now
        self._ids: Iterator[int] = count(1)
        began = now()
        self.orders = {
            number: Order(number, Decimal(40), unit, LINES[index % 2], began + timedelta(days=index + 1), began)
            for index in range(orders)
            for number in (f"MES-{index + 1:04}",)
        }
        self.bookings: list[Booking] = []
        self.requests: list[Request] = []
        self.shipments = list(_shipments(began))
        self.stock: defaultdict[str, Decimal] = defaultdict(Decimal, {COMPONENT: Decimal(5000)})
        # Levers of the tests.
        self.closed_before: date | None = None
        self.is_negative_stock_allowed = False

    def order(self, number: str) -> Order:
        """Raises RefusedError where there is none."""
        if number not in self.orders:
            raise RefusedError("unknown_order", f"Order {number} does not exist")
        return self.orders[number]

    def book(
        self,
        order: str,
        use: Use,
        quantity: Decimal,
        *,
        reference: str,
        unit: str,
        posting_date: date,
        reason: str = "",
        item: str = "",
        lot: str = "",
        fields: dict[str, Any] | None = None,
    ) -> Booking:
        """Good pieces, scrap, or a component taken. Raises RefusedError and changes nothing then."""
        target = self.order(order)
        self._check(target, use, quantity, unit, posting_date, reason)
        component = item if use == "consumption" else COMPONENT
        if self.stock[component] < quantity and not self.is_negative_stock_allowed:
            raise RefusedError(
                "negative_stock", f"{quantity} of {component} are needed, {self.stock[component]} are there"
            )
        made = item or target.product
        return self._enter(
            Booking(
                next(self._ids), order, use, quantity, reference, posting_date, reason, made, lot, fields=fields or {}
            )
        )

    def confirm(
        self,
        order: str,
        yielded: Decimal,
        scrapped: Decimal,
        *,
        reference: str,
        unit: str,
        posting_date: date,
        reason: str = "",
        is_end: bool = False,
        fields: dict[str, Any] | None = None,
    ) -> Booking:
        """What an operation yielded, good and scrap in one document; nothing, where it says that the operation has ended."""
        use: Use = "scrap" if scrapped else "good"
        self._check(self.order(order), use, yielded + scrapped, unit, posting_date, reason, is_end=is_end)
        return self._enter(
            Booking(
                next(self._ids),
                order,
                "confirmation",
                yielded,
                reference,
                posting_date,
                reason,
                scrap=scrapped,
                fields=fields or {},
            )
        )

    def book_with_loss(self, order: str, good: Decimal, loss: Decimal, **common: Any) -> Booking:
        """Good pieces and, in the same document, what was lost."""
        booking = self.book(order, "good", good, **common)
        booking.scrap = loss
        self.orders[order].scrap += loss
        return booking

    def take_back(
        self,
        order: str,
        use: Use,
        quantity: Decimal,
        *,
        reference: str,
        unit: str,
        posting_date: date,
        reverses: int = 0,
        item: str = "",
        fields: dict[str, Any] | None = None,
    ) -> Booking:
        """Part of what was booked, by a document of its own. Raises RefusedError where more is taken back than there is."""
        target = self.order(order)
        made = item or target.product
        booked = sum((b.quantity for b in self.bookings if (b.order, b.use, b.item) == (order, use, made)), Decimal(0))
        if use == "scrap":  # what was lost together with good pieces is scrap as well
            booked += sum((b.scrap for b in self.bookings if b.order == order), Decimal(0))
        if unit != target.unit:
            raise RefusedError("bad_unit", f"Unit {unit} is not allowed for order {order}")
        if not 0 < quantity <= booked:
            raise RefusedError("bad_quantity", f"Only {booked} of order {order} can be taken back, not {quantity}")
        self._check_period(posting_date)
        return self._enter(
            Booking(
                next(self._ids),
                order,
                use,
                -quantity,
                reference,
                posting_date,
                item=made,
                reverses=reverses,
                fields=fields or {},
            )
        )

    def reverse(self, booking: Booking, reference: str, posting_date: date) -> Booking:
        """Take a whole booking back by another one. Raises RefusedError where it was reversed before."""
        if booking.is_reversed or booking.reverses is not None:
            raise RefusedError("already_reversed", f"Document {booking.id} is reversed already")
        self._check_period(posting_date)
        booking.is_reversed = True
        return self._enter(
            replace(
                booking,
                id=next(self._ids),
                quantity=-booking.quantity,
                scrap=-booking.scrap,
                reference=reference,
                posting_date=posting_date,
                is_reversed=False,
                reverses=booking.id,
            )
        )

    def request(self, reference: str, equipment: str, title: str, fields: dict[str, Any]) -> Request:
        """A new request for maintenance. Raises RefusedError where the equipment is not known."""
        if equipment not in EQUIPMENT:
            raise RefusedError("unknown_equipment", f"Equipment {equipment} does not exist")
        made = Request(next(self._ids), reference, equipment, title, self.now(), fields=fields)
        self.requests.append(made)
        return made

    def truth(self) -> dict[str, Any]:
        """What was really booked, for tests."""
        orders = self.orders.items()
        return {
            "good_posted_by_origin": {number: _plain(order.good) for number, order in orders},
            "scrap_posted_by_origin": {number: _plain(order.scrap) for number, order in orders},
            "confirmed_by_origin": {number: _plain(order.confirmed) for number, order in orders},
            "consumed": self._consumed(),
            "postings_by_origin": dict(Counter(b.order for b in self.bookings if b.use == "good")),
            "maintenance_requests": [
                {"id": r.id, "name": r.title, "equipment": r.equipment, "reference": r.reference} for r in self.requests
            ],
            "stock": {item: str(quantity) for item, quantity in self.stock.items()},
        }

    def _consumed(self) -> dict[str, Any]:
        taken: defaultdict[str, Decimal] = defaultdict(Decimal)
        for booking in self.bookings:
            if booking.use == "consumption":
                taken[booking.item] += booking.quantity
        return {item: _plain(quantity) for item, quantity in taken.items()}

    def _check(
        self,
        order: Order,
        use: Use,
        quantity: Decimal,
        unit: str,
        posting_date: date,
        reason: str,
        *,
        is_end: bool = False,
    ) -> None:
        if order.state != "released":
            raise RefusedError("order_closed", f"Order {order.number} is {order.state}")
        if unit != order.unit:
            raise RefusedError(
                "bad_unit", f"Unit {unit} is not allowed for order {order.number}, which is in {order.unit}"
            )
        if quantity < 0 or not (quantity or is_end) or quantity != quantity.quantize(Decimal("0.001")):
            raise RefusedError("bad_quantity", f"Quantity {quantity} is not possible")
        if use == "scrap" and reason and reason not in REASONS:
            raise RefusedError("unknown_reason", f"Reason {reason} does not exist")
        self._check_period(posting_date)

    def _check_period(self, posting_date: date) -> None:
        if self.closed_before is not None and posting_date < self.closed_before:
            raise RefusedError("closed_period", f"Posting on {posting_date} is not possible: the period is closed")

    def _enter(self, booking: Booking) -> Booking:
        order = self.orders[booking.order]
        self.bookings.append(booking)
        match booking.use:
            case "good":
                order.good += booking.quantity
                order.scrap += booking.scrap
                self.stock[order.product] += booking.quantity
            case "scrap":
                order.scrap += booking.quantity
            case "confirmation":
                order.confirmed += booking.quantity
                order.scrap += booking.scrap
            case "consumption":
                self.stock[booking.item] -= booking.quantity
        if booking.use in {"good", "scrap"}:
            self.stock[COMPONENT] -= booking.quantity
        order.state = "done" if order.good >= order.quantity else "released"
        order.changed_at = self.now()
        return booking


def _plain(quantity: Decimal) -> Any:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def _shipments(now: datetime) -> Iterator[Shipment]:
    for number in range(12):
        created = now - timedelta(days=12 - number)
        due = created + timedelta(days=6)
        shipped = created + timedelta(days=4, hours=number) if number < 8 else None
        shipped = None if shipped is not None and shipped > now else shipped
        yield Shipment(f"D{80000 + number}", f"S{1000 + number}", created, due, due, shipped or created, shipped)
