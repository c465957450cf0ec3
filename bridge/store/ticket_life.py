"""A step of a person in the life of a ticket, in one transaction: its state, its pauses, its clocks, its history and the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bridge.config.settings import TicketsSettings
from bridge.model.ticket import RESPONDED, Step, TicketState, after
from bridge.store import account, ticket, ticket_clock
from bridge.store.database import Connection, Row
from bridge.store.ticket import Change


class TicketChanged(Exception):
    """The ticket is not as the person saw it; the message says what it is now."""


async def take(
    connection: Connection,
    settings: TicketsSettings,
    ticket_id: int,
    step: Step,
    *,
    seen: int,
    change: Change,
    actor: str,
    note: str,
    now: datetime,
) -> TicketState | None:
    """Take a step on the ticket that was seen at revision `seen`; returns its new state, None where there is no such ticket.

    Raises NotAllowed where its state does not allow the step, TicketChanged where it was changed since it was seen.
    """
    async with connection.transaction():
        row = await ticket.lock(connection, ticket_id)
        if row is None:
            return None
        if row["revision"] != seen:
            raise TicketChanged(f"the ticket has changed since you saw it: it is {row['state']}; look at it again")
        state = after(TicketState(row["state"]), step)
        if step is Step.REOPEN:
            await _reopen(connection, settings, row, now)
        else:
            await ticket.move(connection, ticket_id, state, change, now)
            await _set_clocks(connection, row, step, state, change, now)
        said = {name: value for name, value in change.columns().items() if value is not None}
        detail = {name: value if isinstance(value, str) else str(value) for name, value in said.items()}
        await ticket.add_event(
            connection, ticket_id, str(step), now, actor=actor, note=note, from_state=row["state"], to_state=str(state),
            detail=detail,
        )  # fmt: skip
        audited: dict[str, Any] = {"from": row["state"], "to": str(state), "note": note, **detail}
        await account.write_audit(connection, actor, f"ticket: {step}", f"ticket:{ticket_id}", now, audited)
        if step is Step.FINISH and said.get("was_true"):
            await ticket.give_verdict(connection, ticket_id, said["was_true"], actor, now)
    return state


async def _reopen(connection: Connection, settings: TicketsSettings, row: Row, now: datetime) -> None:
    round_ = await ticket.reopen(connection, row["id"])
    await ticket_clock.start(connection, settings, row["id"], round_, row["priority"], now)


async def _set_clocks(
    connection: Connection, row: Row, step: Step, state: TicketState, change: Change, now: datetime
) -> None:
    ticket_id = row["id"]
    if step is Step.HOLD:
        await ticket.begin_pause(connection, ticket_id, change.values.get("reason") or "", now)
        await ticket_clock.look_again(connection, ticket_id)
    elif step is Step.RESUME:
        await ticket.end_pause(connection, ticket_id, now)
        await ticket_clock.look_again(connection, ticket_id)
    elif step is Step.REJECT:
        await ticket_clock.stop(connection, ticket_id, ["response", "restore"], now)
    elif step is Step.FINISH:
        await ticket_clock.stop(connection, ticket_id, ["restore"], change.values.get("restarted_at") or now)
    if state in RESPONDED:
        await ticket_clock.stop(connection, ticket_id, ["response"], now)
