"""The life of a ticket as a pure machine: (state, what a person does) -> state, and what each step has to say.

NEW -> TRIAGED -> APPROVED or REJECTED -> SCHEDULED -> IN_PROGRESS <-> ON_HOLD -> DONE -> VERIFIED -> CLOSED. REOPENED is where
the alarm comes back soon after the restart, or where a person finds that the work did not hold. What a ticket says when it is
done follows ISO 14224 (failure mode, mechanism, cause, maintenance activity).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

Verdict = Literal["true", "false", "unknown"]
"""Whether the alarm told the truth."""


class TicketState(StrEnum):
    """Where a ticket stands."""

    NEW = "NEW"
    TRIAGED = "TRIAGED"  # somebody has looked: the response
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"  # with a reason; over
    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    ON_HOLD = "ON_HOLD"  # with a reason; the clocks stand
    DONE = "DONE"  # runs again: the restoration
    VERIFIED = "VERIFIED"
    CLOSED = "CLOSED"
    REOPENED = "REOPENED"


class Step(StrEnum):
    """What a person does to a ticket."""

    TRIAGE = "triage"
    APPROVE = "approve"
    REJECT = "reject"
    SCHEDULE = "schedule"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    FINISH = "finish"
    VERIFY = "verify"
    CLOSE = "close"
    REOPEN = "reopen"


OVER: Final = frozenset({TicketState.REJECTED, TicketState.CLOSED})
RESTORED: Final = frozenset({TicketState.DONE, TicketState.VERIFIED, TicketState.CLOSED})
RESPONDED: Final = frozenset(TicketState) - {TicketState.NEW, TicketState.REOPENED}

_MOVES: Final = {
    Step.TRIAGE: ({TicketState.NEW, TicketState.REOPENED}, TicketState.TRIAGED),
    Step.APPROVE: ({TicketState.TRIAGED}, TicketState.APPROVED),
    Step.REJECT: ({TicketState.NEW, TicketState.TRIAGED, TicketState.REOPENED}, TicketState.REJECTED),
    Step.SCHEDULE: ({TicketState.APPROVED, TicketState.SCHEDULED}, TicketState.SCHEDULED),
    Step.START: ({TicketState.APPROVED, TicketState.SCHEDULED}, TicketState.IN_PROGRESS),
    Step.HOLD: ({TicketState.IN_PROGRESS}, TicketState.ON_HOLD),
    Step.RESUME: ({TicketState.ON_HOLD}, TicketState.IN_PROGRESS),
    Step.FINISH: ({TicketState.IN_PROGRESS}, TicketState.DONE),
    Step.VERIFY: ({TicketState.DONE}, TicketState.VERIFIED),
    Step.CLOSE: ({TicketState.VERIFIED}, TicketState.CLOSED),
    Step.REOPEN: ({TicketState.DONE, TicketState.VERIFIED}, TicketState.REOPENED),
}


class NotAllowed(ValueError):
    """A step that the ticket's state does not allow; the message says which it does."""


def after(state: TicketState, step: Step) -> TicketState:
    """The state after a step. Raises NotAllowed."""
    sources, target = _MOVES[step]
    if state not in sources:
        possible = steps(state)
        then = f"possible: {', '.join(possible)}" if possible else "it is over"
        raise NotAllowed(f"a ticket that is {state} cannot {step}; {then}")
    return target


def steps(state: TicketState) -> list[Step]:
    """What a person can do to a ticket now, in the order of its life."""
    return [step for step, (sources, _) in _MOVES.items() if state in sources]
