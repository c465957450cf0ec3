"""What the API answers: the same models go over HTTP and, serialised once, over the live feed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from bridge.store.database import Row
from dashboard.api.window import WindowName
from dashboard.kpis import KpiValue, Status


class Answer(BaseModel):
    """Made from rows of the database or from the domain's own types; columns that are not shown are left out."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row."""
        return cls.model_validate(row)


class Me(Answer):
    """Who is logged in."""

    login: str
    role: str = Field(description="viewer, operator or admin.")


class Credentials(BaseModel):
    """What a login needs."""

    login: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)


class KpiAnswer(Answer):
    """A KPI's value. Ratios are shares, 1 is 100 %."""

    name: str
    value: float | None
    target: float | None
    status: Status = Field(
        description="ok, watch (worse than target), act (worse by more than a tenth of it), or none."
    )
    completeness: float | None = Field(description="Share of planned time in which the state was known.")

    @classmethod
    def of_value(cls, value: KpiValue) -> KpiAnswer:
        """From an evaluated KPI."""
        return cls.model_validate(value)


class WindowAnswer(Answer):
    """The span of time that figures are of."""

    name: WindowName
    starts_at: datetime
    ends_at: datetime
    shift: str | None = Field(description="The shift that is on; null between shifts.")
    shift_ends_at: datetime | None


class Output(BaseModel):
    """Finished goods of the window."""

    made: int
    planned: float | None = Field(description="Pieces that the calendar planned until now; null without a plan.")
    posted: int = Field(description="Of those made, confirmed by the business system.")
    waiting: int = Field(description="Made and not yet confirmed.")


class LeadTime(BaseModel):
    """Order to ship, hours, of the shipments of the last 30 days."""

    p50_h: float | None
    p90_h: float | None
    p95_h: float | None
    shipments: int


class MachineAnswer(Answer):
    """A work unit and what it is doing."""

    id: int
    line_id: int | None
    line: str | None
    name: str
    path: str
    position: int
    is_final: bool
    state: str
    reason: str
    since: datetime | None
    order_number: str | None
    last_piece_at: datetime | None


class UnitKpis(BaseModel):
    """The figures of a line or a machine in a window."""

    id: int
    name: str
    path: str
    good: int
    scrap: int
    wip: int | None = None
    kpis: dict[str, KpiAnswer]


class PlantSummary(BaseModel):
    """The plant's figures in a window, and those of its lines and machines."""

    window: WindowAnswer
    computed_at: datetime
    kpis: dict[str, KpiAnswer]
    output: Output
    lead_time: LeadTime
    lines: list[UnitKpis]
    machines: list[UnitKpis]


class AlarmAnswer(Answer):
    """An alarm in its life cycle (ISA-18.2)."""

    id: int
    rule_id: str
    rule_version: int
    equipment_id: int
    equipment: str
    machine: str
    line: str | None
    severity: str
    state: str
    quality: str
    message: str
    consequence: str
    response: str
    inputs: Any
    raised_at: datetime
    acked_at: datetime | None
    acked_by: str | None
    returned_at: datetime | None
    closed_at: datetime | None
    revision: int | None = Field(None, description="Changes with the alarm; a step may say which one the person saw.")
    overlay: str | None = Field(None, description="shelved, suppressed or out_of_service: nobody is called.")
    suppressed_by: str | None = None
    shelved_until: datetime | None = None
    verdict: str | None = Field(None, description="Whether it told the truth: true, false, unknown.")


class TicketAnswer(Answer):
    """A ticket; its picture is at /api/v1/tickets/{id}/evidence."""

    id: int
    equipment_id: int
    equipment: str
    machine: str
    line: str | None
    failure_mode: str
    priority: str
    state: str
    title: str
    description: str
    occurrences: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    external_id: str | None
    has_picture: bool
    evidence_at: datetime | None


class OrderAnswer(Answer):
    """A production order, with the pieces made and posted for it."""

    id: int
    number: str
    connector: str
    product: str
    quantity: float
    due: datetime | None
    state: str
    work_center: str | None
    good: int
    scrap: int
    posted: int


class ShipmentAnswer(Answer):
    """A shipment of the business system."""

    id: int
    connector: str
    number: str
    order_ref: str
    state: str
    created_at: datetime
    planned_at: datetime | None
    due_at: datetime | None
    shipped_at: datetime | None


class OutboxTotal(Answer):
    """Postings of one connector, kind and state."""

    connector: str
    kind: str
    state: str
    rows: int
    quantity: float
    oldest_at: datetime


class OutboxRow(Answer):
    """One posting."""

    id: int
    connector: str
    stream: str
    seq: int
    kind: str
    state: str
    attempts: int
    external_id: str | None
    last_error: str
    created_at: datetime
    done_at: datetime | None
    quantity: float | None


class OutboxAnswer(BaseModel):
    """Postings in all, and the newest."""

    totals: list[OutboxTotal]
    newest: list[OutboxRow]


class Limit(Answer):
    """A level of a rule, drawn as a line. `above`: exceeded upwards."""

    severity: str
    value: float
    above: bool
    rule: str


class TagAnswer(BaseModel):
    """A tag and its newest reading. `severity` of its quality: good, uncertain, bad, or none without a reading."""

    id: int
    equipment_id: int
    name: str
    unit: str
    kind: str
    datatype: str
    ts: datetime | None
    value: float | str | None
    quality: int | None
    severity: str
    limits: list[Limit]


class WatchedTag(BaseModel):
    """A tag that a rule watches, and on which machine."""

    id: int
    name: str
    unit: str
    machine: MachineAnswer
    limits: list[Limit]


class MachineDetail(BaseModel):
    """A machine with its tags, states, alarms and tickets."""

    machine: MachineAnswer
    kpis: UnitKpis | None
    tags: list[TagAnswer]
    alarms: list[AlarmAnswer]
    tickets: list[TicketAnswer]


class TrendPoint(Answer):
    """A bucket of a tag's history; `value` is the mean, null where every reading was bad."""

    ts: datetime
    value: float | None
    low: float | None
    high: float | None


class TrendAnswer(BaseModel):
    """A tag's history in a window."""

    tag_id: int
    unit: str
    points: list[TrendPoint]
    limits: list[Limit]


class StateSpan(Answer):
    """A stretch of time in one state."""

    starts_at: datetime
    ends_at: datetime
    state: str
    reason: str
