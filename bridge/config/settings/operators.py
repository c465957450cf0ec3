"""What operators are allowed and promised: shelving, consoles, tickets with their clocks, and who is told when a promise is broken."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from bridge.config.settings.table import Duration, Table
from bridge.model.alarm import Severity

_HOUR: Final = timedelta(hours=1)


class Console(Table):
    """An operator's position, for the figures of alarm load (ISA-18.2 counts per operator console)."""

    name: str = Field(min_length=1, max_length=100)
    equipment: list[str] = Field(
        min_length=1, description="Paths of the equipment that it watches, each with all below it."
    )


class AlarmsSettings(Table):
    """What operators may do with alarms, and how alarms are grouped."""

    longest_shelving: Duration = Field(
        24 * _HOUR, gt=timedelta(0), description='An alarm is shelved at most so long. Default "24 h".'
    )
    first_up: Duration = Field(
        timedelta(seconds=60),
        ge=timedelta(0),
        description='Alarms of one line within this time of the first belong to it. "0 s": none do. Default "60 s".',
    )
    console: list[Console] = Field(
        default_factory=list, description="Operators' positions. Default: one for the whole plant."
    )


class SlaTarget(Table):
    """What is promised for tickets of a priority."""

    response: Duration = Field(gt=timedelta(0), description='Until somebody has looked (TRIAGED), e.g. "15 min".')
    restore: Duration = Field(gt=timedelta(0), description='Until it runs again (DONE), e.g. "4 h".')
    hours: Literal["always", "shifts"] = Field(
        "always", description="When the clocks run: always, or in the plant's shifts only. Default always."
    )


class Escalation(Table):
    """Whom to tell when a clock has used up a share of its target."""

    clock: Literal["response", "restore"]
    at: float = Field(
        gt=0, le=100, description="Share of the target: 0.75 is a warning, 1 the breach, 2 twice the time."
    )
    to: list[str] = Field(min_length=1, description="Roles; connectors of type apprise say which they serve.")
    lowest: Severity = Field(
        Severity.LOW, alias="from", description="For tickets of this priority and above. Default low."
    )


class TicketsSettings(Table):
    """The life of tickets."""

    reopen_within: Duration = Field(
        24 * _HOUR,
        ge=timedelta(0),
        description='An alarm within this time of the restart reopens its ticket. "0 s": never. Default "24 h".',
    )
    warn_at: float = Field(
        0.75, gt=0, lt=1, description="Share of a clock's target at which the ticket shows a warning. Default 0.75."
    )
    sla: dict[Severity, SlaTarget] = Field(
        default_factory=dict, description="Promises by priority, e.g. [tickets.sla.critical]. Default none."
    )
    escalation: list[Escalation] = Field(default_factory=list, description="Whom to tell, in any order.")

    @model_validator(mode="after")
    def _escalation_has_a_clock(self) -> Self:
        if self.escalation and not self.sla:
            raise ValueError(
                "escalation follows a promise: write [tickets.sla.high] with response and restore, or take it away"
            )
        return self
