"""Alarms and tickets as people see them: severities, the states of ISA-18.2 / IEC 62682, and what an operator may do.

The life cycle as a whole is the rule engine's (rules/lifecycle.py); here is the part that both sides must agree on, because an
operator's action changes the alarm's row under the engine's eyes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is; also the priority of a ticket. Mildest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class AlarmState(StrEnum):
    """The states of ISA-18.2 that an alarm's row can be in; PENDING is before there is a row."""

    NORMAL = "NORMAL"  # closed
    PENDING = "PENDING"
    ACTIVE_UNACK = "ACTIVE_UNACK"
    ACTIVE_ACK = "ACTIVE_ACK"
    RECOVERING = "RECOVERING"  # below the deadband, off_delay runs
    RTN_UNACK = "RTN_UNACK"  # returned to normal, nobody has seen it
    LATCHED = "LATCHED"  # returned to normal, waits for a reset


def acknowledged(state: AlarmState) -> AlarmState:
    """The state after an operator's acknowledgement; it is remembered as well, RECOVERING may lead back to ACTIVE_ACK."""
    match state:
        case AlarmState.ACTIVE_UNACK:
            return AlarmState.ACTIVE_ACK
        case AlarmState.RTN_UNACK:
            return AlarmState.NORMAL
        case _:
            return state


def can_be_reset(state: AlarmState) -> bool:
    """Whether a reset ends the alarm: only a latched one, which is one whose condition is clear."""
    return state is AlarmState.LATCHED
