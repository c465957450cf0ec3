"""One attempt at one event: look up where an earlier one is unclear, plan, send step by step, verify.

Everything that matters is committed before the next request goes out: that the attempt began, the plan, each step that was
carried out. So whatever dies and whenever, the next attempt knows what may have happened, and asks before it sends again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from bridge.erp import event as events
from bridge.erp.connector import Connector, Event, Found, Refusal, Step
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError
from bridge.store import outbox
from bridge.store.database import Connection


class Attempt:
    """One claimed row of the outbox, carried by one connector. `settle` is how long the system may still work on a request."""

    def __init__(self, connection: Connection, connector: Connector, row: outbox.Claimed, settle: timedelta) -> None:
        self._connection = connection
        self._connector = connector
        self._row = row
        self._settle = settle
        self._step = "read event"
        self._request: Step | None = None
        self._began = time.monotonic()
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
        return found.external_id

    async def record_failure(self, error: Exception) -> None:
        """Keep what failed, with the request and what was answered."""
        cause = error.__cause__
        status, answer = (cause.status, cause.text) if isinstance(cause, Refusal) else (None, "")
        await outbox.record_attempt(
            self._connection, self._row.id, self._exchange(outcome(error), status, answer or str(error))
        )

    async def is_hopeless(self, error: Exception, most: int) -> bool:
        """Whether the system has said `most` times in a row that it failed at this request; asked once the failure is recorded."""
        cause = error.__cause__
        if not isinstance(cause, Refusal) or not cause.is_own_fault:
            return False
        times = await outbox.same_failures(self._connection, self._row.id, self._step, cause.status, most)
        return times >= most

    async def _look_up(self, event: Event) -> Found:
        self._enter("look up")
        found = await self._connector.lookup(event)
        self.is_unclear = False
        answer = f"has it as {found.external_id}" if found.is_posted else "does not have it"
        await outbox.record_attempt(self._connection, self._row.id, self._exchange("ok", None, answer))
        return found

    async def _send(self, event: Event, found: Found) -> None:
        steps, done = await self._steps(event, found)
        for number, step in enumerate(steps[done:], start=done + 1):
            self._enter(step.name, step)
            answer = await self._connector.execute(step)
            self.is_unclear = self.is_unclear or not step.is_repeatable
            exchange = self._exchange("ok", answer.status, answer.text)
            await outbox.record_step(self._connection, self._row.id, exchange, number, self._settle)

    async def _steps(self, event: Event, found: Found) -> tuple[Sequence[Step], int]:
        """The plan and how many of its steps need not be sent: the stored plan only while a part of it stands in the system."""
        checkpoint = self._row.checkpoint
        steps = [Step.from_json(stored) for stored in checkpoint.get("steps", [])]
        done = found.steps_done if found.steps_done is not None else checkpoint.get("done", 0)
        if first := first_to_send(steps, done):
            return steps, first
        self._enter("plan")
        planned = await self._connector.plan(event)
        await outbox.keep_plan(self._connection, self._row.id, [step.to_json() for step in planned], self._settle)
        return planned, 0

    async def _verify(self, event: Event) -> Found:
        self._enter("verify")
        found = await self._connector.verify(event)
        self.is_unclear = False
        if not found.is_posted:
            # Sending again could double what shows late: a person decides.
            raise BusinessError("every step was answered as carried out, and the system does not show the event")
        return found

    def _enter(self, name: str, request: Step | None = None) -> None:
        self._step, self._request, self._began = name, request, time.monotonic()

    def _exchange(self, result: outbox.Outcome, status: int | None, answer: str) -> outbox.Exchange:
        request = None if self._request is None else {"call": self._request.call, **self._request.body}
        return outbox.Exchange(self._step, result, status, request, answer, (time.monotonic() - self._began) * 1000)


def first_to_send(steps: Sequence[Step], done: int) -> int:
    """Where a resumed plan goes on: after its last step done that must not be sent twice.

    Repeatable steps behind that one are sent again: what they set may have been changed by somebody since.
    """
    first = min(done, len(steps))
    while first and steps[first - 1].is_repeatable:
        first -= 1
    return first


def outcome(error: Exception) -> outbox.Outcome:
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
