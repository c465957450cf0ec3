"""What the API answers of business systems: connectors, events, what they are made of, comparisons, questions."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from bridge.model.text import storable
from dashboard.api.models import Answer
from dashboard.api.operator_models import Reason

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(storable)]


class ConnectorAnswer(Answer):
    """A connector: what waits, what went, who stopped it, and how its relay finds it."""

    connector: str
    type: str | None = Field(None, description="Null where the configuration does not name it (any more).")
    can_compare: bool = False
    waiting: int = Field(description="Events that are not done: also those that are parked or failing.")
    parked: int = Field(description="Of them, those that wait for a person.")
    failing: int = Field(description="Of them, those that failed and are tried again.")
    oldest_at: datetime | None
    posted_today: int = Field(description="Events that it took since midnight of the plant's zone.")
    pieces_today: Decimal | None = Field(description="Finished goods in them.")
    last_success_at: datetime | None
    stop_reason: str | None
    stopped_by: str | None
    stopped_at: datetime | None
    condition: str | None = Field(description="works, failing or refused (the key); null where no relay says anything.")
    condition_reason: str | None
    condition_since: datetime | None
    condition_until: datetime | None = Field(description="When it is tried again.")


class ErpEvent(Answer):
    """An event on its way to a business system."""

    id: int
    connector: str
    stream: str
    seq: int
    kind: str
    state: str
    attempts: int
    next_at: datetime
    external_id: str | None
    last_error: str
    created_at: datetime
    done_at: datetime | None
    order_ref: str | None
    ticket_id: str | None
    item: str | None
    uom: str | None
    quantity: str | None = Field(description="Pieces, or what `uom` says, as it stands in the event.")
    behind: int = Field(description="Events of its stream that wait for it.")


class ErpSummary(BaseModel):
    """All connectors, and the events that wait for a person or fail."""

    connectors: list[ConnectorAnswer]
    attention: list[ErpEvent]


class FieldAnswer(Answer):
    """A field of an event, as people read it."""

    name: str
    label: str
    kind: str = Field(description="text, quantity, share, instant, flag, texts; fixed: never changed.")
    value: Any


class AttemptAnswer(Answer):
    """A request to a business system and what it answered; without secrets."""

    at: datetime
    step: str
    outcome: str
    status: int | None
    request: Any
    answer: str
    duration_ms: float


class EditAnswer(Answer):
    """What a person changed in an event, when and why."""

    at: datetime
    actor: str
    reason: str
    changed: dict[str, tuple[Any, Any]] = Field(description="Field: what it was, what it became.")


class CountAnswer(Answer):
    """Pieces that a posting is made of, and the reading that told of them."""

    id: int
    ts: datetime
    qty: int
    kind: str
    reason: str
    serial: str = Field(description="The serial number that was told of the piece; empty for none.")
    equipment: str
    equipment_id: int
    machine: str
    tag: str
    ordinal: int
    counter_from: float | None
    counter_to: float
    reading: float | None = Field(description="What the reading said; null where it is no longer kept.")
    lane: int | None
    batch_seq: int | None = Field(description="The batch of its lane that it came with.")
    received_at: datetime | None


class ReversalAnswer(Answer):
    """Event `outbox_id` takes back of event `reverses_id`."""

    outbox_id: int
    reverses_id: int
    reason: str
    actor: str
    at: datetime
    state: str
    quantity: str | None


class ErpEventDetail(BaseModel):
    """An event with everything that is known of it."""

    event: ErpEvent
    key: str
    fields: list[FieldAnswer]
    attempts: list[AttemptAnswer]
    edits: list[EditAnswer]
    reversals: list[ReversalAnswer]
    counts: list[CountAnswer]
    counts_in_all: int
    pieces: int


class EditEvent(BaseModel):
    """Mend a parked event. `seen` is how many edits the person saw."""

    changes: dict[Name, Any] = Field(min_length=1, max_length=40)
    reason: Reason
    seen: int | None = Field(None, ge=0)


class WithReason(BaseModel):
    """A step that says why."""

    reason: Reason


class Settle(WithReason):
    """A parked event was booked by hand."""

    document: Name | None = Field(None, description="The document's number in the system.")


class Nothing(BaseModel):
    """A step that needs no words."""


class Replayed(BaseModel):
    """The events that were given back to the relay."""

    events: list[int]


class TakeBack(BaseModel):
    """Take good pieces back from what was posted to an order. `key` makes it happen once, however often it is sent."""

    connector: Name
    order: Name
    quantity: Decimal = Field(gt=0, max_digits=30, decimal_places=12)
    reason: Reason
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class TakeBackEvent(BaseModel):
    """Take one event back, all that is left of it where no quantity is named. `key` makes it happen once, however often it is sent."""

    quantity: Decimal | None = Field(None, gt=0, max_digits=30, decimal_places=12)
    reason: Reason
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class TakenBack(BaseModel):
    """The events that take the pieces back."""

    events: list[int]


class QuestionAnswer(Answer):
    """What was asked of a connector's relay. Without `answered_at` it waits."""

    id: int
    connector: str
    kind: str
    outbox_id: int | None
    asked_by: str
    asked_at: datetime
    answered_at: datetime | None
    answer: Any
    error: str | None


class ComparisonAnswer(BaseModel):
    """The newest comparison of made, posted and the system's own totals; `lines` are the orders that do not agree."""

    connector: str
    at: datetime | None = Field(description="Null where there was none yet.")
    since: datetime | None
    orders: int
    differences: int
    actor: str
    lines: list[dict[str, Any]]
