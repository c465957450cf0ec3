"""What a rule file says, after reading: frozen, checked, compiled."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from bridge.model.alarm import Severity
from bridge.model.production import EventKind, MachineState
from rules.conditions.counted import Counted
from rules.conditions.threshold import Threshold
from rules.production.counter import CounterSpec

PIECES: Final = "pcs"


@dataclass(frozen=True, slots=True)
class Input:
    """A tag of the asset under a name of the rule's own.

    `of` "siblings": the statistic `stat` of that tag over the other assets of the same class under the same parent.
    """

    name: str
    tag: str
    is_text: bool
    unit: str | None
    max_age: timedelta | None
    counter: CounterSpec | None
    of: str | None = None
    stat: str = "median"


@dataclass(frozen=True, slots=True)
class ForEach:
    """Which assets the rule holds for; None for any."""

    equipment_class: str | None = None
    equipment: str | None = None

    def matches(self, path: str, equipment_class: str | None) -> bool:
        """Whether the rule holds for an asset; `equipment` may hold * and ?."""
        if self.equipment_class is not None and self.equipment_class != equipment_class:
            return False
        return self.equipment is None or fnmatch.fnmatchcase(path, self.equipment)


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """Which readings a ticket carries: those of `tags` from `before` to `after` the event."""

    before: timedelta
    after: timedelta
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TicketAction:
    """Open a ticket, or count an occurrence on the open one, when the alarm reaches `lowest`."""

    failure_mode: str
    priority: Severity | None  # None: the alarm's severity
    lowest: Severity
    connector: str | None
    evidence: EvidenceSpec | None


@dataclass(frozen=True, slots=True)
class PostingAction:
    """Post counted pieces to a business system, several at a time.

    `kind` says as what: an EventKind. Of consumed material `item` is what, `per_piece` how much of it in `uom` (UCUM), and `location`
    where it came from, empty for the ERP's default. Of a performance `segment` is the operation's number in the ERP, empty for the
    order as a whole, and `ends_with_order` says whether the last one is final. `lot` is the tag that names the lot,
    `serials` that of the serial numbers; None: none is posted.
    """

    connector: str
    kind: EventKind
    max_qty: int
    max_wait: timedelta
    item: str = ""
    uom: str = PIECES
    per_piece: Decimal = Decimal(1)
    location: str = ""
    segment: str = ""
    ends_with_order: bool = False
    lot: str | None = None
    serials: str | None = None


When = Literal["raise", "escalate", "return", "clear"]


@dataclass(frozen=True, slots=True)
class NotifyAction:
    """Tell the people of some roles when the alarm does one of `on` at `lowest` or above."""

    to: tuple[str, ...]
    lowest: Severity
    on: frozenset[When]


@dataclass(frozen=True, slots=True)
class WebhookAction:
    """Send the alarm as an event to a connector when it does one of `on` at `lowest` or above."""

    connector: str
    lowest: Severity
    on: frozenset[When]


@dataclass(frozen=True, slots=True)
class WriteAction:
    """Write a value to a tag of the asset, through a connector whose configuration allows that tag and that value."""

    connector: str
    tag: str
    value: float | str | bool
    lowest: Severity
    on: frozenset[When]


@dataclass(frozen=True, slots=True)
class Actions:
    """All that a rule does."""

    tickets: tuple[TicketAction, ...] = ()
    postings: tuple[PostingAction, ...] = ()
    notifies: tuple[NotifyAction, ...] = ()
    webhooks: tuple[WebhookAction, ...] = ()
    writes: tuple[WriteAction, ...] = ()


@dataclass(frozen=True, slots=True)
class Fed:
    """Readings of an input in a test: `count` of them from `at_us`, `every_us` apart, `values` in turn, `step` more each time."""

    input: str
    at_us: int
    every_us: int
    count: int
    values: tuple[float | str, ...]
    step: float
    quality: str  # good, uncertain or bad

    def samples(self) -> Iterator[tuple[int, float | str]]:
        """Each reading's time from the test's beginning, and its value."""
        for index in range(self.count):
            value = self.values[index % len(self.values)]
            more = value + self.step * index if isinstance(value, float) else value
            yield self.at_us + index * self.every_us, more


@dataclass(frozen=True, slots=True)
class Expected:
    """What a rule must tell in a test: RAISE, ESCALATE, ..., at a time from the test's beginning."""

    at_us: int
    kind: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Case:
    """A test of a rule. `states` are the machine's, empty where it is as the rule wants it; `order` is there all the time."""

    name: str
    line: int
    feed: tuple[Fed, ...]
    states: tuple[tuple[int, MachineState], ...]
    order: str | None
    expect: tuple[Expected, ...]
    until_us: int | None


OnUnknown = Literal["hold", "clear", "raise"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `condition` says which kind it is; `sha256` is of the canonical body, so that a changed comment is no change.

    `shadow`: its alarms are kept and shown as a trial, and nothing follows from them. `parent` is the id of a rule whose alarm on
    the same asset or one above suppresses this one's. `group` is the ISA-95 level within which the first of several is marked.
    """

    id: str
    for_each: ForEach
    inputs: tuple[Input, ...]
    condition: Threshold | Counted
    when_state: frozenset[MachineState] = frozenset()
    settle: timedelta = timedelta()
    on_unknown: OnUnknown = "hold"
    consequence: str = ""
    response: str = ""
    shadow: bool = False
    parent: str | None = None
    group: str | None = None
    tickets: tuple[TicketAction, ...] = ()
    postings: tuple[PostingAction, ...] = ()
    notifies: tuple[NotifyAction, ...] = ()
    webhooks: tuple[WebhookAction, ...] = ()
    writes: tuple[WriteAction, ...] = ()
    tests: tuple[Case, ...] = ()
    file: str = ""
    line: int = 0
    sha256: str = ""
    body: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules of all files; `sources` gives what was made of each rule's text, so that a reload reads only what has changed."""

    rules: tuple[Rule, ...]
    sources: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict, repr=False, compare=False)
