"""Counts that are posted together -> the events that business systems are told (bridge/model/production.py). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bridge.model.decimals import EXACT
from bridge.model.production import (
    CountKind,
    Disposition,
    EventKind,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    event_id,
)
from bridge.store.production_count import Unposted
from rules.engine.posting.duty import Duty
from rules.engine.posting.waiting import Ended
from rules.rulebook.model import PIECES


@dataclass(frozen=True, slots=True)
class Share:
    """Counts of one event, oldest first; none where a performance ends without a piece since the last one.

    `serials` are those of the pieces; `serials_missing` says why pieces have none that should have one.
    """

    counts: Sequence[Unposted]
    is_final: bool = False
    serials: tuple[str, ...] = ()
    serials_missing: str = ""

    def pieces(self, kind: CountKind | None = None) -> int:
        """How many pieces they are, or those of a kind."""
        return sum(count.qty for count in self.counts if kind in (None, count.kind))


def shares_of(duty: Duty, counts: Sequence[Unposted], *, is_final: bool) -> list[Share]:
    """How counts that wait together become events: one, of a performance one more for each further reason of scrap."""
    if duty.action.kind is not EventKind.PERFORMANCE:
        return [Share(counts)]
    reasons = list(dict.fromkeys(count.reason for count in counts if count.kind == CountKind.SCRAP))
    first = [count for count in counts if count.kind != CountKind.SCRAP or count.reason == reasons[0]]
    more = [
        [count for count in counts if count.kind == CountKind.SCRAP and count.reason == each] for each in reasons[1:]
    ]
    shares = [Share(part) for part in (first, *more)]
    return [*shares[:-1], Share(shares[-1].counts, is_final)]


def quantity_of(duty: Duty, pieces: int) -> Decimal:
    """What so many pieces are in the posting's unit, exactly."""
    return EXACT.multiply(duty.action.per_piece, Decimal(pieces))


def sum_of(posted: Decimal, quantity: Decimal) -> Decimal:
    """All that was posted, with this."""
    return EXACT.add(posted, quantity)


def source_of(duty: Duty) -> str:
    """What the ids of a duty's events begin with: other purposes have others. Finished goods keep theirs of earlier versions."""
    action = duty.action
    if action.kind is EventKind.WIP_TO_FG:
        return action.kind
    item = action.item.replace("%", "%25").replace("|", "%7C")  # | parts the words of an id's source
    return f"{action.kind}|{action.connector}|{item}"


def material(
    duty: Duty, order_number: str, share: Share, sequence: int, quantity: Decimal, cumulative: Decimal
) -> MaterialActual:
    """What was made, scrapped or consumed."""
    action, newest = duty.action, share.counts[-1]
    return MaterialActual(
        event_id=event_id(source_of(duty), order_number, sequence),
        order_ref=order_number,
        sequence=sequence,
        occurred_at=newest.at,
        quantity=quantity,
        cumulative=cumulative,
        uom=action.uom,
        equipment=newest.path,
        use=MaterialUse.CONSUMED if action.kind is EventKind.CONSUMED else MaterialUse.PRODUCED,
        disposition=Disposition.SCRAP if action.kind is EventKind.SCRAP else Disposition.GOOD,
        reason=newest.reason if action.kind is EventKind.SCRAP else "",
        item=action.item,
        lot=newest.lot if action.lot else "",
        serials=share.serials,
        location=action.location,
    )


def performance(
    duty: Duty, order_number: str, share: Share, sequence: int, ended: Ended | None
) -> ProductionPerformance:
    """What a machine yielded and scrapped of an order since the last one; one without a piece tells when the order `ended` only."""
    times = [count.at for count in share.counts]
    path = share.counts[-1].path if share.counts else ""
    if not times and ended is not None:
        times, path = [ended.at], ended.path
    reasons = [count.reason for count in share.counts if count.kind == CountKind.SCRAP]
    return ProductionPerformance(
        event_id=event_id(source_of(duty), order_number, sequence),
        order_ref=order_number,
        sequence=sequence,
        segment=duty.action.segment,
        started_at=min(times),
        ended_at=max(times),
        yielded=Decimal(share.pieces(CountKind.GOOD)),
        scrapped=Decimal(share.pieces(CountKind.SCRAP)),
        uom=PIECES,
        equipment=path,
        reason=reasons[0] if reasons else "",
        is_final=share.is_final,
    )
