"""What goes to people and back to machines: notices of alarms and tickets, and writes to tags."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.model.production import EventKind

TAG_WRITE_STREAM: Final = "tag:"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people, or a program of theirs, are told. `facts` is the same for programs: plain JSON."""

    event_id: uuid.UUID
    subject: str
    body: str
    severity: str
    occurred_at: datetime
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.NOTICE

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox."""
        return {
            "event_id": str(self.event_id),
            "subject": self.subject,
            "body": self.body,
            "severity": self.severity,
            "occurred_at": self.occurred_at.isoformat(),
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class TagWrite:
    """A value for a tag of a machine. `cause` says which rule and alarm ask for it, for the audit."""

    event_id: uuid.UUID
    equipment: str
    tag: str
    value: float | str | bool
    cause: str
    occurred_at: datetime

    @property
    def kind(self) -> EventKind:
        """The kind of outbox row that it is."""
        return EventKind.TAG_WRITE

    @property
    def stream(self) -> str:
        """Writes to one tag go out one after another."""
        return f"{TAG_WRITE_STREAM}{self.equipment}/{self.tag}"

    def payload(self) -> dict[str, Any]:
        """The event as it stands in the outbox."""
        return {
            "event_id": str(self.event_id),
            "equipment": self.equipment,
            "tag": self.tag,
            "value": self.value,
            "cause": self.cause,
            "occurred_at": self.occurred_at.isoformat(),
        }
