"""What a connector to a business system is: it speaks one system's contract and knows nothing of queues, retries or databases.

The relay (bridge/erp/relay) calls it for one event at a time: `plan` says which requests the event needs, `execute` sends
one of them, `verify` reads back what the system made of it. After a crash or an unclear answer `lookup` comes first. Events
are the neutral ones of ISA-95 part 2 (bridge/model/production.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from bridge.model.production import MaterialActual, ProductionOrder, ShipmentStatus, WorkRequest

Event = MaterialActual | WorkRequest


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an event. It is kept in the outbox before it goes out, so `body` is plain JSON without secrets.

    `is_repeatable`: sending it twice has the effect of sending it once. After an unclear answer to a step that is not, the
    relay looks up; a resumed event repeats the repeatable steps, so that they need no lookup of their own.
    """

    name: str
    call: str
    body: Mapping[str, Any]
    is_repeatable: bool

    def to_json(self) -> dict[str, Any]:
        """As it stands in the outbox's checkpoint."""
        return {"name": self.name, "call": self.call, "body": dict(self.body), "is_repeatable": self.is_repeatable}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The step that `to_json` wrote."""
        return cls(stored["name"], stored["call"], stored["body"], stored["is_repeatable"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the system said to a step: the HTTP status and the text as a person may read it."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the system holds of an event: whether all of it is there, and under which id of the system's own.

    `steps_done` is for a system that shows part of an event: how many steps of its plan are carried out; None where the
    system cannot tell, and then the relay's own checkpoint holds.
    """

    is_posted: bool
    external_id: str | None = None
    steps_done: int | None = None


class Refusal(Exception):
    """The answer behind a ConnectorError (its `__cause__`): what operators read beside a dead letter.

    `is_own_fault`: the system itself, not something before it, says that it failed at this request. It may be passing (a conflict
    of two users) or for good (a fault in its code at this order's data), which only repetition tells.
    """

    def __init__(self, status: int, text: str, *, is_own_fault: bool = False) -> None:
        self.status = status
        self.text = text
        self.is_own_fault = is_own_fault
        super().__init__(f"{status}: {text}")


class Connector(Protocol):
    """One business system. Every method raises only TransientError, CredentialsError, BusinessError or UnknownOutcome.

    `async with` opens and closes its connections; the constructor does not connect. One instance serves events of different
    streams at the same time; the relay never gives it two events of one stream at once.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def lookup(self, event: Event) -> Found:
        """Whether the system has the event already. Raises BusinessError where its numbers allow neither answer."""
        ...

    async def plan(self, event: Event) -> Sequence[Step]:
        """The requests that carry the event, in order; none where the system has it already. Sends nothing that changes."""
        ...

    async def execute(self, step: Step) -> Answer:
        """Send one request. Raises UnknownOutcome where a step that is not repeatable may or may not have been taken."""
        ...

    async def verify(self, event: Event) -> Found:
        """What the system holds after the last step: an answer 200 is not yet a document."""
        ...

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """The production orders that changed at or after `since`, each once; all where it is None."""
        ...

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """The shipments that changed at or after `since`, each once; all where it is None."""
        ...
