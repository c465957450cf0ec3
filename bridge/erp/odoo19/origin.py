"""Our mark in the origin of a document of Odoo's, which people see there and a look finds again.

`MES-0001 amor <event id>`; behind it, for a component of pieces that came to nothing, `component <product> of <pieces>`; for one of
several pieces that are taken back, `serial <number>`; for what a transfer brings back, `back <pieces>` or `back component <quantity>`.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

from bridge.erp.odoo19.values import as_pattern
from bridge.errors import BusinessError
from bridge.model.decimals import plain

_ORIGIN: Final = re.compile(
    r"(?P<order>.*) amor (?P<event>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?: component [0-9]+ of (?P<lost>[0-9.]+)| serial .*| back (?P<back>[0-9.]+)| back component (?P<part>[0-9.]+))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What an origin of ours says: whose event, and of how many pieces. `lost`: they came to nothing; `back`: not so after all.

    `part`: so much of one component came back.
    """

    order_ref: str
    event_id: str
    lost: Decimal | None
    back: Decimal | None
    part: Decimal | None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None where it is another's. Raises BusinessError where it counts no pieces."""
        found = _ORIGIN.fullmatch(text)
        if found is None:
            return None
        try:
            lost, back, part = (Decimal(found[name]) if found[name] else None for name in ("lost", "back", "part"))
        except InvalidOperation as error:
            raise BusinessError(f"Odoo has a document with the origin {text}, which counts no pieces") from error
        return cls(found["order"], found["event"], lost, back, part)


def key(order_ref: str, event_id: uuid.UUID) -> str:
    """What all origins of an event begin with."""
    return f"{order_ref} amor {event_id}"


def component(key: str, product: int, pieces: Decimal) -> str:
    """The origin of a component's scrap."""
    return f"{key} component {product} of {plain(pieces)}"


def serial(key: str, name: str) -> str:
    """The origin of the scrap of one piece."""
    return f"{key} serial {name}"


def back(key: str, quantity: Decimal, *, is_part: bool) -> str:
    """The origin of a transfer that brings back the components of pieces, or so much of one component."""
    return f"{key} back {'component ' if is_part else ''}{plain(quantity)}"


def like(key: str, rest: str) -> list[Any]:
    """The term of a search for origins of the event; `rest` is a pattern."""
    return ["origin", "=like", as_pattern(key) + rest]


def backs_of(order_ref: str) -> list[Any]:
    """The term of a search for all transfers that bring back something of an order."""
    return ["origin", "=like", f"{as_pattern(order_ref)} amor % back %"]
