"""One attempt at one event: look up where an earlier one is unclear, plan, send step by step, verify.

Everything that matters is committed before the next request that may change something goes out: that the attempt began, the plan,
each step that was carried out. So whatever dies and whenever, the next attempt knows what may have happened, and asks before it
sends again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from bridge.erp import event as events
from bridge.erp.connector import Connector, Event, Found, Refusal, Step
from bridge.erp.relay.gate import Gate
from bridge.erp.relay.journal import Journal
from bridge.erp.relay.masking import masked
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError
from bridge.model.text import storable_document
from bridge.store.relay import Claimed, Exchange, Outcome

_LONGEST_ID: Final = 500  # characters; an index of the database holds no more than some thousand


class Attempt:
    """One claimed row of the outbox, carried by one connector."""

    def __init__(self, journal: Journal, connector: Connector, gate: Gate, row: Claimed) -> None:
        self._journal = journal
        self._connector = connector
        self._gate = gate
        self._row = row
        self._step = "read event"
        self._request: Step | None = None
        self._began = time.monotonic()
        self._recorded: asyncio.Task[None] | None = None  # the last step's, committed while the event is verified
        # Whether the system may hold something of the event that nobody has seen there.
        self.is_unclear = row.was_sending

    async def carry(self) -> str:
        """Bring the event into the system; returns its id there. Raises the connector's errors."""
        event = events.read(self._row.kind, self._row.payload)
        found = Found(is_posted=False)
        if self._row.was_sending or self._row.attempts > 1:
            found = await self._look_up(event)
        if not found.is_posted:
            await self._send(event, found)
            found = await self._verify(event)
        if found.external_id is None:
            raise BusinessError("the system has the event and names no id for it")
        if len(found.external_id) > _LONGEST_ID:
            raise BusinessError(
                f"the system has the event and names an id of {len(found.external_id)} characters for it, which is none: "
                f"{found.external_id[:40]}..."
            )
        return found.external_id

    async def record_failure(self, error: Exception) -> None:
        """Keep what failed, with the request and what was answered."""
        await self._steps_recorded()
        cause = error.__cause__
        status, answer = (cause.status, cause.text) if isinstance(cause, Refusal) else (None, "")
        await self._journal.record_attempt(self._row, self._exchange(outcome(error), status, answer or str(error)))

    async def is_hopeless(self, error: Exception, most: int) -> bool:
        """Whether the system, or the connector, failed `most` times in a row at this very request; asked once that is recorded."""
        cause = error.__cause__
        if not isinstance(error, ConnectorError):
            status = None  # a mistake in the connector: it will be made again
        elif isinstance(cause, Refusal) and cause.is_own_fault:
            status = cause.status
        else:
            return False
        return await self._journal.same_failures(self._row.id, self._step, status, most) >= most

    async def _look_up(self, event: Event) -> Found:
        await self._enter("look up")
        found = await self._connector.lookup(event)
        self.is_unclear = False
        answer = f"has it as {found.external_id}" if found.is_posted else "does not have it"
        await self._journal.record_attempt(self._row, self._exchange("ok", None, answer))
        return found

    async def _send(self, event: Event, found: Found) -> None:
        steps, done = await self._steps(event, found)
        for number, step in enumerate(steps[done:], start=done + 1):
            await self._enter(step.name, step)
            answer = await self._connector.execute(step)
            self.is_unclear = self.is_unclear or not step.is_repeatable
            exchange = self._exchange("ok", answer.status, answer.text)
            recording = self._journal.record_step(self._row, exchange, number)
            if number < len(steps):
                await recording
            else:  # nothing more is sent: asking may go on meanwhile
                self._recorded = asyncio.ensure_future(recording)

    async def _steps(self, event: Event, found: Found) -> tuple[Sequence[Step], int]:
        """The plan and how many of its steps need not be sent: the stored plan only while a part of it stands in the system."""
        checkpoint = self._row.checkpoint
        steps = [Step.from_json(stored) for stored in checkpoint.get("steps", [])]
        done = found.steps_done if found.steps_done is not None else checkpoint.get("done", 0)
        if first := first_to_send(steps, done):
            return steps, first
        await self._enter("plan")
        planned = await self._connector.plan(event)
        await self._journal.keep_plan(self._row, [_kept(step) for step in planned])
        return planned, 0

    async def _verify(self, event: Event) -> Found:
        await self._enter("verify")
        found = await self._connector.verify(event)
        await self._steps_recorded()
        self.is_unclear = False
        if not found.is_posted:
            # Sending again could double what shows late: a person decides.
            raise BusinessError("every step was answered as carried out, and the system does not show the event")
        return found

    async def _steps_recorded(self) -> None:
        if self._recorded is not None:
            recorded, self._recorded = self._recorded, None
            await recorded

    async def _enter(self, name: str, request: Step | None = None) -> None:
        await self._gate.token()
        self._step, self._request, self._began = name, request, time.monotonic()

    def _exchange(self, result: Outcome, status: int | None, answer: str) -> Exchange:
        request = None if self._request is None else {"call": self._request.call, **self._request.body}
        return Exchange(self._step, result, status, request, masked(answer), (time.monotonic() - self._began) * 1000)


def _kept(step: Step) -> dict[str, Any]:
    """The step as it is kept: exactly what is sent, or not at all."""
    kept = step.to_json()
    if storable_document(kept) != kept:
        raise BusinessError(
            f"the request of {step.name} has characters that cannot be kept (NUL, half a surrogate pair): mend what it is made of"
        )
    return kept


def first_to_send(steps: Sequence[Step], done: int) -> int:
    """Where a resumed plan goes on: after its last step done that must not be sent twice.

    Repeatable steps behind that one are sent again: what they set may have been changed by somebody since.
    """
    first = min(done, len(steps))
    while first and steps[first - 1].is_repeatable:
        first -= 1
    return first


def outcome(error: Exception) -> Outcome:
    """The outcome that an error means; a mistake of our own leaves open what happened."""
    match error:
        case TransientError():
            return "transient"
        case CredentialsError():
            return "credentials"
        case BusinessError():
            return "business"
        case ConnectorError() | Exception():
            return "unknown"
