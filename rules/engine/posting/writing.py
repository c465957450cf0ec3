"""One posting, written in the caller's transaction: its counts are marked, its events stand in the outbox, or none of it happened."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import structlog

from bridge.errors import AmorError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance
from bridge.store import outbox, posting, production_count, reversal
from bridge.store.database import Connection
from bridge.store.posting import NewPosting, Taken
from bridge.store.production_count import Unposted
from rules.engine.posting import events, serials
from rules.engine.posting.events import Share
from rules.engine.posting.waiting import Clock, Waiting

log = structlog.get_logger()


async def write(connection: Connection, waiting: Waiting, clock: Clock) -> int:
    """Post what waits; it waits no longer, but for what cannot be taken back yet. Returns how many pieces were posted."""
    counts = list(waiting.ready(clock))
    match waiting.duty.action.kind:
        case EventKind.WIP_TO_FG:
            pieces = await _finish(connection, waiting, counts)
        case EventKind.REVERSAL:
            return await _take_back(connection, waiting, clock)
        case _:
            pieces = await _post(connection, waiting, counts)
    waiting.done(counts)
    return pieces


async def _finish(connection: Connection, waiting: Waiting, ready: Sequence[Unposted]) -> int:
    """Finished goods: a piece is bound to their posting in its own row."""
    duty, order_number = waiting.duty, waiting.key.order_number
    free, posted = await production_count.take_for_posting(connection, order_number, [count.id for count in ready])
    sequence, quantity = posted
    counts = [count for count in ready if count.id in free]
    for share in await _shares(connection, waiting, counts) if counts else ():
        sequence, quantity = sequence + 1, quantity + share.pieces()
        event = events.material(duty, order_number, share, sequence, Decimal(share.pieces()), quantity)
        outbox_id = await _send(connection, waiting, event, share.serials_missing)
        await production_count.set_posted(connection, [count.id for count in share.counts], outbox_id)
    return int(quantity - posted.qty)


async def _shares(connection: Connection, waiting: Waiting, counts: Sequence[Unposted]) -> list[Share]:
    if waiting.duty.action.serials and counts:
        return await serials.shares_of(connection, waiting.key.connector, waiting.key.order_number, counts)
    return events.shares_of(waiting.duty, counts, is_final=waiting.ended is not None)


async def _post(connection: Connection, waiting: Waiting, ready: Sequence[Unposted]) -> int:
    duty, order_number = waiting.duty, waiting.key.order_number
    taken = await posting.take(connection, duty.purpose, duty.action.uom, order_number, [c.id for c in ready])
    counts = [count for count in ready if count.id in taken.pieces]
    if not counts and not await _has_an_end_to_tell(connection, waiting):
        return 0
    sequence, cumulative = taken.sequence, taken.cumulative
    for share in await _shares(connection, waiting, counts):
        quantity = events.quantity_of(duty, share.pieces())
        sequence, cumulative = sequence + 1, events.sum_of(cumulative, quantity)
        event = _event(waiting, share, sequence, quantity, cumulative)
        outbox_id = await _send(connection, waiting, event, share.serials_missing)
        await _record(connection, waiting, share, sequence, quantity, cumulative, [outbox_id])
    return sum(count.qty for count in counts)


async def _has_an_end_to_tell(connection: Connection, waiting: Waiting) -> bool:
    """Whether the last performance of an order that is over did not know yet that it was the last."""
    if waiting.ended is None:
        return False
    key = waiting.key
    return await posting.is_performance_open(connection, key.connector, key.order_number, key.equipment_id)


def _event(
    waiting: Waiting, share: Share, sequence: int, quantity: Decimal, cumulative: Decimal
) -> MaterialActual | ProductionPerformance:
    duty, order_number = waiting.duty, waiting.key.order_number
    if duty.action.kind is not EventKind.PERFORMANCE:
        return events.material(duty, order_number, share, sequence, quantity, cumulative)
    return events.performance(duty, order_number, share, sequence, waiting.ended)


async def _take_back(connection: Connection, waiting: Waiting, clock: Clock) -> int:
    """Take the pieces back; where fewer are posted yet those that can be, count by count, and the rest a little later."""
    ids = [count.id for count in waiting.counts]
    duty = waiting.duty
    taken = await posting.take(connection, duty.purpose, duty.action.uom, waiting.key.order_number, ids)
    waiting.counts[:] = [count for count in waiting.counts if count.id in taken.pieces]
    pieces, refusal = 0, ""
    for share in (waiting.counts[:], *([count] for count in waiting.counts[:])):
        if not share or share[0] not in waiting.counts:
            continue
        try:
            taken = await _reverse(connection, waiting, Share(share), taken)
        except AmorError as error:
            refusal = str(error)
            if len(share) == 1:
                break
            continue
        pieces += sum(count.qty for count in share)
        waiting.counts[:] = [count for count in waiting.counts if count not in share]
    if waiting.counts:
        if waiting.not_before is None:
            log.warning("pieces cannot be taken back yet", order=waiting.key.order_number,
                        rule=waiting.duty.rule.id, why=refusal)  # fmt: skip
        waiting.put_off(clock)
    return pieces


async def _reverse(connection: Connection, waiting: Waiting, share: Share, taken: Taken) -> Taken:
    duty, key, newest = waiting.duty, waiting.key, share.counts[-1]
    quantity, sequence = Decimal(share.pieces()), taken.sequence + 1
    outbox_ids = await reversal.reverse_pieces(
        connection,
        connector=key.connector,
        order_number=key.order_number,
        quantity=quantity,
        reason=key.reason or duty.rule.id,
        actor=f"rule {duty.rule.id}",
        at=newest.at,
        key=f"posting|{key.connector}|{key.order_number}|{sequence}",
    )
    cumulative = events.sum_of(taken.cumulative, quantity)
    await _record(connection, waiting, share, sequence, quantity, cumulative, outbox_ids)
    return taken._replace(sequence=sequence, cumulative=cumulative)


async def _send(
    connection: Connection, waiting: Waiting, event: MaterialActual | ProductionPerformance, serials_missing: str = ""
) -> int:
    """Write an event into the order's stream; one whose serial numbers are missing stays there until a person names them."""
    missing = {"serials": [], "serials_missing": serials_missing} if serials_missing else {}
    outbox_id = await outbox.insert(
        connection, connector=waiting.key.connector, stream=event.order_ref, kind=event.kind,
        payload=event.payload() | missing, key=str(event.event_id),
    )  # fmt: skip
    if outbox_id is None:
        raise AmorError(
            f"{event.kind} posting {event.sequence} of order {event.order_ref} is in the outbox already, and its counts are not marked"
        )
    if serials_missing:
        log.error("posting waits for a person: serial numbers are missing", outbox_id=outbox_id, order=event.order_ref,
                  connector=waiting.key.connector, why=serials_missing)  # fmt: skip
    return outbox_id


async def _record(
    connection: Connection,
    waiting: Waiting,
    share: Share,
    sequence: int,
    quantity: Decimal,
    cumulative: Decimal,
    outbox_ids: list[int],
) -> None:
    """Mark the counts of an event."""
    duty, key = waiting.duty, waiting.key
    new = NewPosting(
        connector=key.connector, kind=str(duty.action.kind), item=duty.action.item, order_number=key.order_number,
        sequence=sequence, rule_id=duty.rule.id, equipment_id=_machine_of(waiting, share.counts),
        quantity=quantity, cumulative=cumulative, uom=duty.action.uom, is_final=share.is_final,
    )  # fmt: skip
    await posting.insert(connection, new, outbox_ids, [count.id for count in share.counts])


def _machine_of(waiting: Waiting, counts: Sequence[Unposted]) -> int:
    return counts[-1].equipment_id if counts else waiting.key.equipment_id
