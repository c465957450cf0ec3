"""What operators send and see: steps on alarms and tickets, shelves, clocks, alarm load, feedback."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints

from bridge.model.text import storable
from bridge.model.ticket import Step, Verdict
from dashboard.api.models import AlarmAnswer, Answer, TicketAnswer

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(storable)
]
Note = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(storable)]


class AlarmStep(BaseModel):
    """A step on an alarm. `seen` is the revision that the person saw; without it the alarm is taken as it is."""

    note: Note = ""
    seen: int | None = None


class ShelveAlarm(BaseModel):
    """Shelve an alarm: a reason and an end are mandatory."""

    kind: Literal["timed", "one_shot"] = "timed"
    reason: Reason
    until: AwareDatetime
    seen: int | None = None


class ShelveSource(ShelveAlarm):
    """Shelve the alarm of a rule on an asset, whether it stands or not."""

    rule_id: Name
    equipment_id: int


class UnshelveSource(BaseModel):
    """Take it off the shelf."""

    rule_id: Name
    equipment_id: int
    note: Note = ""


class TakeOut(BaseModel):
    """Take alarms out of service, of one rule or of all, on an asset and all below it."""

    equipment_id: int
    rule_id: Name | None = None
    work_order: Reason
    reason: Reason


class VerdictGiven(BaseModel):
    """Whether an alarm told the truth."""

    verdict: Verdict
    note: Note = ""


class TicketStep(BaseModel):
    """A step on a ticket, with what it has to say. `seen` is the revision that the person saw."""

    step: Step
    seen: int
    note: Note = ""
    reason: Reason | None = Field(None, description="Needed by hold and reject.")
    assignee: Name | None = None
    scheduled_for: AwareDatetime | None = Field(None, description="Needed by schedule.")
    failure_mode: Name | None = Field(None, description="Finish: as found; default: as reported.")
    mechanism: Name | None = Field(None, description="Needed by finish: failure mechanism (ISO 14224).")
    cause: Name | None = Field(None, description="Needed by finish: failure cause (ISO 14224).")
    action: Name | None = Field(None, description="Needed by finish: maintenance activity (ISO 14224).")
    downtime_s: float | None = Field(
        None, ge=0, le=10 * 366 * 86400, description="Needed by finish: seconds of downtime."
    )
    was_true: Verdict | None = Field(None, description="Needed by finish: whether the alarm told the truth.")
    restarted_at: AwareDatetime | None = Field(None, description="Finish: when it ran again. Default now.")


class ShelfAnswer(Answer):
    """What is, or was, on the shelf."""

    id: int
    rule_id: str
    equipment_id: int
    equipment: str
    kind: str
    reason: str
    actor: str
    shelved_at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: str | None


class OutOfServiceAnswer(Answer):
    """What is, or was, out of service."""

    id: int
    rule_id: str | None
    equipment_id: int
    equipment: str
    work_order: str
    reason: str
    actor: str
    since: datetime
    ended_at: datetime | None
    ended_by: str | None


class EventAnswer(Answer):
    """A line in the history of an alarm or ticket."""

    id: int
    at: datetime
    kind: str
    actor: str
    note: str
    severity: str | None = None
    annunciated: bool | None = None
    from_state: str | None = None
    to_state: str | None = None
    detail: Any = None


class AlarmDetail(BaseModel):
    """An alarm with its way through the states."""

    alarm: AlarmAnswer
    events: list[EventAnswer]


class GroupAnswer(BaseModel):
    """Alarms of one line that came within a short time: the first-up and those that followed."""

    line: str | None
    first_up: AlarmAnswer
    followers: list[AlarmAnswer]


class ClockAnswer(Answer):
    """A promise: `due_at` is null while on hold."""

    kind: str
    round: int
    started_at: datetime
    stopped_at: datetime | None
    target_s: float
    hours: str
    due_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None


class OccurrenceAnswer(Answer):
    """An alarm that belongs to a ticket."""

    alarm_id: int
    at: datetime
    rule_id: str
    severity: str
    message: str
    verdict: str | None


class TicketLife(Answer):
    """What the life of a ticket added to it."""

    revision: int
    round: int
    reason: str
    assignee: str
    scheduled_for: datetime | None
    found_mode: str | None
    mechanism: str | None
    cause: str | None
    action: str | None
    downtime_s: float | None
    was_true: str | None
    restarted_at: datetime | None


class TicketDetail(BaseModel):
    """A ticket with its life, its clocks, its history, and what can be done to it now."""

    ticket: TicketAnswer
    life: TicketLife
    steps: list[Step]
    clocks: list[ClockAnswer]
    occurrences: list[OccurrenceAnswer]
    events: list[EventAnswer]


class EvidenceAnswer(Answer):
    """The evidence of a ticket as data."""

    rule_id: str
    rule_version: int
    first: datetime
    last: datetime
    inputs: Any
    message: str
    tags: Any
    limits: Any
    data: Any
    completed_at: datetime | None


class NotificationAnswer(Answer):
    """What people were told, or are to be told."""

    id: int
    target: str
    role: str
    severity: str
    subject: str
    body: str
    subject_ref: str
    occurred_at: datetime
    created_at: datetime
    state: str
    held_for: str
    release_at: datetime | None
    queued_at: datetime | None
    outbox_id: int | None
    outbox_state: str | None
    attempts: int | None
    done_at: datetime | None
    last_error: str | None


class FeedbackAnswer(Answer):
    """How often a level of a rule told the truth, and a limit that would have told it more often."""

    rule_id: str
    rule_version: int
    severity: str
    computed_at: datetime
    true_count: int
    false_count: int
    unknown_count: int
    precision: float | None = None
    precision_low: float | None
    precision_high: float | None
    suggestion: Any


class KeptAnswer(Answer):
    """How many promises were kept."""

    priority: str
    kind: str
    clocks: int
    kept: int
    median_s: float | None
