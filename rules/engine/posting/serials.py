"""Pieces that are posted with their serial numbers: each sure number once, the rest in an event that only a person can complete.

A number is sure where one piece was counted and one number told of it, and no event has the number already. An event of pieces
without says what is missing (`serials_missing`) and has an empty list of serials: no relay carries it like that
(bridge/erp/event.py), so that it is parked, seen and mended, in its place among the events of the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bridge.store import serial
from bridge.store.database import Connection
from bridge.store.production_count import Unposted
from rules.engine.posting.events import Share

MOST: Final = 200  # of an event: in some systems each is a line that is entered and posted
_SHOWN: Final = 5  # reasons in one text


class _Held(NamedTuple):
    """A count without a sure serial number."""

    counted: Unposted
    why: str


async def shares_of(
    connection: Connection, connector: str, order_number: str, counts: Sequence[Unposted]
) -> list[Share]:
    """How counts that wait together become events: those with a number first, at most `MOST` pieces each."""
    told = {count.serial for count in counts if count.serial}
    posted = await serial.posted(connection, connector, order_number, told) if told else {}
    sure, held = sort(counts, posted)
    shares = [Share(part, serials=tuple(count.serial for count in part)) for part in _parts(sure)]
    why = {each.counted.id: each.why for each in held}
    waiting = _parts([each.counted for each in held])
    return shares + [Share(part, serials_missing=_told(part, [why[count.id] for count in part])) for part in waiting]


def sort(counts: Iterable[Unposted], posted: dict[str, int]) -> tuple[list[Unposted], list[_Held]]:
    """The counts with a sure number, and those without; `posted` are the events that have numbers already. Pure."""
    sure: dict[str, Unposted] = {}
    held: list[_Held] = []
    for count in counts:
        if why := _why_held(count, sure, posted):
            held.append(_Held(count, why))
        else:
            sure[count.serial] = count
    return list(sure.values()), held


def _why_held(count: Unposted, sure: dict[str, Unposted], posted: dict[str, int]) -> str:
    where = f"{count.at:%Y-%m-%d %H:%M:%S} UTC on {count.path}"
    if not count.serial:
        return f"{where}: {_pieces(count.qty)} without a serial number"
    if count.serial_pieces != 1:
        return f"{where}: {count.serial_pieces} pieces counted at once, with one serial number {count.serial}"
    if count.serial in posted:
        return f"{where}: {count.serial} is in event {posted[count.serial]} already"
    if count.serial in sure:
        return f"{where}: {count.serial} was told of the piece at {sure[count.serial].at:%H:%M:%S} already"
    return ""


def _parts(counts: Sequence[Unposted]) -> list[list[Unposted]]:
    """At most `MOST` pieces each; a count is never split."""
    parts: list[list[Unposted]] = []
    pieces = 0
    for count in counts:
        if not parts or pieces + count.qty > MOST:
            parts.append([])
            pieces = 0
        parts[-1].append(count)
        pieces += count.qty
    return parts


def _told(counts: Sequence[Unposted], reasons: Sequence[str]) -> str:
    more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
    return f"{_pieces(sum(count.qty for count in counts))}: " + "; ".join([*reasons[:_SHOWN], *more])


def _pieces(quantity: int) -> str:
    return "1 piece" if quantity == 1 else f"{quantity} pieces"
