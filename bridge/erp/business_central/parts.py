"""The journal lines that an event is carried by: one, but where a line cannot hold it.

A line has one serial number, and what takes output and scrap back is a line each. The first part is keyed by the event's id, the
others by ids that follow from it, so that each is entered once and looked for by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

Fact = MaterialActual | ProductionPerformance
MOST_SERIALS: Final = 200  # each is a line that is entered and posted


class Part(NamedTuple):
    """One line: its id, good (or consumed) and scrap in our unit (below 0: taken back), its serial, the line that it takes back."""

    id: uuid.UUID
    good: Decimal
    scrap: Decimal
    serial: str = ""
    of: uuid.UUID | None = None

    @property
    def number(self) -> str:
        """Its external document number, a Code: upper case, without dashes."""
        return self.id.hex.upper()


def parts_of(event: Fact | Reversal) -> list[Part]:
    """The lines of an event. Raises BusinessError where nothing says what they are to be."""
    return list(_taken_back(event) if isinstance(event, Reversal) else _reported(event))


def _reported(fact: Fact) -> Iterator[Part]:
    good, scrap = _quantities(fact)
    serials = fact.serials if isinstance(fact, MaterialActual) else ()
    if len(serials) < 2:
        yield Part(fact.event_id, good, scrap, "".join(serials))
        return
    if len(serials) != good + scrap or len(serials) > MOST_SERIALS:
        raise BusinessError(
            f"the event {fact.event_id} has {len(serials)} serial numbers for a quantity of {good + scrap}: one each, at most "
            f"{MOST_SERIALS} an event"
        )
    one = Decimal(1)
    for index, serial in enumerate(serials):
        key = uuid.uuid5(fact.event_id, f"serial {serial}") if index else fact.event_id
        yield Part(key, one if good else Decimal(0), one if scrap else Decimal(0), serial)


def _taken_back(event: Reversal) -> Iterator[Part]:
    """Output and scrap of each line of the original, all of them or a part of the only one."""
    pieces = [
        (part, kind, amount)
        for part in parts_of(event.reverses)
        for kind, amount in (("output", part.good), ("scrap", part.scrap))
        if amount
    ]
    shares = [amount for _, _, amount in pieces]
    if event.quantity != sum(shares):
        if len(pieces) != 1:
            raise BusinessError(
                f"order {event.order_ref}: the event {event.reverses.event_id} has {_shown(pieces)}, and which of them are taken back "
                "nothing says: reverse it in Business Central"
            )
        shares = [event.quantity]
    for index, ((part, kind, _), share) in enumerate(zip(pieces, shares, strict=True)):
        key = uuid.uuid5(event.event_id, f"{kind} of {part.number}") if index else event.event_id
        good, scrap = (-share, Decimal(0)) if kind == "output" else (Decimal(0), -share)
        yield Part(key, good, scrap, part.serial, part.id)


def _shown(pieces: list[tuple[Part, str, Decimal]]) -> str:
    return ", ".join(f"{amount} {kind} {part.serial}".strip() for part, kind, amount in pieces)


def _quantities(fact: Fact) -> tuple[Decimal, Decimal]:
    """Good (or consumed) and scrap."""
    if isinstance(fact, ProductionPerformance):
        return fact.yielded, fact.scrapped
    return (Decimal(0), fact.quantity) if fact.kind is EventKind.SCRAP else (fact.quantity, Decimal(0))
