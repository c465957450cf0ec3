"""Transitions -> alarms, tickets and floods, as they come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from bridge.model.alarm import Severity
from rules.backtest.report import MOST_KEPT, AlarmSeen, Event, Flood, Report, TicketSeen
from rules.instance import Instance, Told
from rules.rulebook.model import Rule, TicketAction

_MINUTE: Final = 60_000_000
_FLOOD_WINDOW: Final = 10 * _MINUTE
_FLOOD_ABOVE, _FLOOD_BELOW = 10, 5  # alarms in the window: it begins above ten, and ends below five


@dataclass(slots=True)
class _OpenTicket:
    seen: TicketSeen
    standing: set[str]  # the rules whose alarms on it stand
    quiet_us: int = 0  # since when none does


class Ledger:
    """Keeps the books of a report. What is told of one asset comes in the order of time."""

    def __init__(self, report: Report, ticket_open_us: int) -> None:
        self._report = report
        self._ticket_open_us = ticket_open_us
        self._standing: dict[tuple[str, str], AlarmSeen] = {}
        self._tickets: dict[tuple[str, str], _OpenTicket] = {}
        self._raises: list[int] = []

    def take(self, instance: Instance, told: Told) -> None:
        """Enter what an instance told."""
        transition, rule, report = told.transition, instance.rule, self._report
        kind, at_us, severity = transition.kind, transition.at_us, transition.severity
        if kind == "QUALITY":
            return
        if len(report.events) < MOST_KEPT:
            report.events.append(Event(at_us, kind, str(severity), rule.id, instance.path))
        key = rule.id, instance.path
        if kind == "RAISE":
            self._raise(key, severity, at_us, told)
        elif kind == "ESCALATE" and (standing := self._standing.get(key)):
            standing.escalations += 1
            standing.severity = max(standing.severity, severity, key=lambda each: each.rank)
        elif kind == "RETURN":
            self._return(key, at_us, rule)
        if kind in ("RAISE", "ESCALATE") and not rule.shadow:
            for action in rule.tickets:
                self._ticket(action, key, severity, at_us, transition.previous)

    def close(self, until_us: int | None) -> None:
        """Count the alarms that still stand up to the end, and find the floods."""
        for (rule_id, _), alarm in self._standing.items():
            self._count(rule_id, alarm.severity, (until_us or alarm.raised_us) - alarm.raised_us)
        self._report.floods = floods(sorted(self._raises))

    def _raise(self, key: tuple[str, str], severity: Severity, at_us: int, told: Told) -> None:
        seen = AlarmSeen(*key, severity, at_us, inputs={name: shown["value"] for name, shown in told.inputs.items()})
        self._standing[key] = seen
        self._raises.append(at_us)
        self._report.rules[key[0]].alarms += 1
        if len(self._report.alarms) < MOST_KEPT:
            self._report.alarms.append(seen)

    def _return(self, key: tuple[str, str], at_us: int, rule: Rule) -> None:
        if alarm := self._standing.pop(key, None):
            alarm.returned_us = at_us
            self._count(key[0], alarm.severity, at_us - alarm.raised_us)
        for action in rule.tickets:
            if ticket := self._tickets.get((key[1], action.failure_mode)):
                ticket.standing.discard(rule.id)
                ticket.quiet_us = at_us

    def _count(self, rule_id: str, severity: Severity, lasted_us: int) -> None:
        seen = self._report.rules[rule_id]
        seen.by_severity[str(severity)] += 1
        seen.in_alarm_us += lasted_us
        seen.longest_us = max(seen.longest_us, lasted_us)

    def _ticket(
        self, action: TicketAction, key: tuple[str, str], severity: Severity, at_us: int, previous: Severity | None
    ) -> None:
        if severity.rank < action.lowest.rank or (previous is not None and previous.rank >= action.lowest.rank):
            return
        rule_id, path = key
        ticket = self._tickets.get((path, action.failure_mode))
        if ticket and (ticket.standing or at_us <= ticket.quiet_us + self._ticket_open_us):
            ticket.standing.add(rule_id)
            ticket.seen.alarms += 1
            return
        seen = TicketSeen(path, action.failure_mode, rule_id, at_us)
        self._tickets[path, action.failure_mode] = _OpenTicket(seen, {rule_id}, at_us)
        self._report.rules[rule_id].tickets += 1
        if len(self._report.tickets) < MOST_KEPT:
            self._report.tickets.append(seen)


def floods(raises_us: list[int]) -> list[Flood]:
    """The floods among alarms, given in the order of time; the last one is open (None) where it had not ended at the last alarm."""
    found: list[Flood] = []
    window: deque[int] = deque()
    began: int | None = None
    alarms = 0
    for at_us in raises_us:
        while window and window[0] <= at_us - _FLOOD_WINDOW:
            left = window.popleft()
            if began is not None and len(window) < _FLOOD_BELOW:
                found.append(Flood(began, left + _FLOOD_WINDOW, alarms))
                began = None
        window.append(at_us)
        if began is not None:
            alarms += 1
        elif len(window) > _FLOOD_ABOVE:
            began, alarms = window[0], len(window)
    if began is not None:
        found.append(Flood(began, None, alarms))
    return found
