"""What rules would have done: alarms, tickets, floods, time in alarm; as JSON, for people and for `diff`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.model.alarm import Severity
from bridge.model.reading import instant
from rules.rulebook.model import Rule

MOST_KEPT: Final = 100_000  # alarms of a report; more are counted


@dataclass(slots=True)
class AlarmSeen:
    """An alarm from its raise to its return (None: it still stood at the end).

    `reached_us`: when it first was at each severity. `suppressed_by`: the parent rule whose alarm stood when it was raised.
    """

    rule: str
    asset: str
    raised_us: int
    returned_us: int | None = None
    reached_us: dict[Severity, int] = field(default_factory=dict)
    escalations: int = 0
    suppressed_by: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)  # name -> value at the raise

    @property
    def severity(self) -> Severity:
        """The worst that it reached."""
        return max(self.reached_us, key=lambda severity: severity.rank)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "raised": iso(self.raised_us),
            "returned": iso(self.returned_us),
            "rule": self.rule,
            "asset": self.asset,
            "severity": str(self.severity),
            "escalations": self.escalations,
            "suppressed_by": self.suppressed_by,
            "inputs": self.inputs,
        }


@dataclass(slots=True)
class TicketSeen:
    """A ticket that would have been opened: one an asset and failure mode while it is open; `alarms` are its occurrences."""

    asset: str
    failure_mode: str
    rule: str
    opened_us: int
    alarms: int = 1

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "opened": iso(self.opened_us),
            "asset": self.asset,
            "failure_mode": self.failure_mode,
            "rule": self.rule,
            "alarms": self.alarms,
        }


@dataclass(slots=True)
class RuleSeen:
    """One rule over all its assets. `trouble` is why it was not tried, or what it threw."""

    rule: str
    sha256: str
    assets: int = 0
    alarms: int = 0
    suppressed: int = 0  # of them, while a parent's alarm stood: nobody is called
    tickets: int = 0
    in_alarm_us: int = 0
    longest_us: int = 0
    by_severity: Counter[str] = field(default_factory=Counter)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Flood:
    """A time with more than ten alarms in ten minutes, until there are fewer than five (ISA-18.2, EEMUA 191)."""

    began_us: int
    ended_us: int | None
    alarms: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that would have been told; `kind` as in the journal."""

    at_us: int
    kind: str
    severity: str
    rule: str
    asset: str


@dataclass(slots=True)
class Report:
    """All that a backtest found. Times are microseconds since 1970 UTC; None where nothing was read."""

    rules: dict[str, RuleSeen]
    alarms: list[AlarmSeen] = field(
        default_factory=list
    )  # at most MOST_KEPT, in the order of their raise within an asset
    tickets: list[TicketSeen] = field(default_factory=list)
    floods: list[Flood] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)  # at most MOST_KEPT, but for QUALITY
    readings: int = 0
    assets: int = 0
    first_us: int | None = None
    last_us: int | None = None
    problems: list[str] = field(default_factory=list)  # of the data, each with its place
    elapsed_s: float = 0.0

    @property
    def alarm_count(self) -> int:
        """How many alarms would have been raised."""
        return sum(seen.alarms for seen in self.rules.values())

    @property
    def ticket_count(self) -> int:
        """How many tickets would have been opened."""
        return sum(seen.tickets for seen in self.rules.values())

    def sentence(self) -> str:
        """`would have raised 14 alarms and 3 tickets`."""
        suppressed = sum(seen.suppressed for seen in self.rules.values())
        more = f" ({suppressed:,} suppressed)" if suppressed else ""
        return (
            f"would have raised {_plural(self.alarm_count, 'alarm')}{more} and {_plural(self.ticket_count, 'ticket')}"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; instants as ISO 8601, durations in seconds."""
        return {
            "sentence": self.sentence(),
            "from": iso(self.first_us),
            "to": iso(self.last_us),
            "readings": self.readings,
            "assets": self.assets,
            "elapsed_s": round(self.elapsed_s, 3),
            "rules": [_rule(seen) for seen in self.rules.values()],
            "alarms": [seen.as_json() for seen in self.alarms],
            "tickets": [seen.as_json() for seen in self.tickets],
            "floods": [
                {"began": iso(flood.began_us), "ended": iso(flood.ended_us), "alarms": flood.alarms}
                for flood in self.floods
            ],
            "problems": self.problems,
        }


def blank(rules: Sequence[Rule]) -> Report:
    """A report of rules of which nothing is known yet."""
    return Report({rule.id: RuleSeen(rule.id, rule.sha256) for rule in rules})


def iso(at_us: int | None) -> str | None:
    """An instant for people; None stays."""
    return None if at_us is None else instant(at_us).isoformat().replace("+00:00", "Z")


def _rule(seen: RuleSeen) -> dict[str, Any]:
    return {
        "rule": seen.rule,
        "sha256": seen.sha256,
        "assets": seen.assets,
        "alarms": seen.alarms,
        "suppressed": seen.suppressed,
        "by_severity": dict(seen.by_severity),
        "tickets": seen.tickets,
        "in_alarm_s": seen.in_alarm_us / 1e6,
        "longest_s": seen.longest_us / 1e6,
        "trouble": seen.trouble,
    }


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
