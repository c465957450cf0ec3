"""Transitions -> alarms as they come; at the end tickets, suppressed alarms and floods."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bridge.model.alarm import Severity
from rules.backtest.report import MOST_KEPT, AlarmSeen, Event, Flood, Report, TicketSeen
from rules.instance import Instance, Told
from rules.rulebook.model import Rule, TicketAction

_MINUTE: Final = 60_000_000
_FLOOD_WINDOW: Final = 10 * _MINUTE
_FLOOD_ABOVE, _FLOOD_BELOW = 10, 5  # alarms in the window: it begins above ten, and ends below five
_NEVER: Final = 1 << 62


class Ledger:
    """Keeps the books of a report. What is told of one asset comes in the order of time."""

    def __init__(self, report: Report, rules: Sequence[Rule], ticket_open_us: int) -> None:
        self._report = report
        self._rules = {rule.id: rule for rule in rules}
        self._ticket_open_us = ticket_open_us
        self._standing: dict[tuple[str, str], AlarmSeen] = {}

    def take(self, instance: Instance, told: Told) -> None:
        """Enter what an instance told."""
        transition, report = told.transition, self._report
        kind, at_us, severity = transition.kind, transition.at_us, transition.severity
        if kind == "QUALITY":
            return
        if len(report.events) < MOST_KEPT:
            report.events.append(Event(at_us, kind, str(severity), instance.rule.id, instance.path))
        key = instance.rule.id, instance.path
        if kind == "RAISE":
            self._raise(key, severity, at_us, told)
        elif kind == "ESCALATE" and (standing := self._standing.get(key)):
            standing.escalations += 1
            standing.reached_us.setdefault(severity, at_us)
        elif kind == "RETURN" and (returned := self._standing.pop(key, None)):
            returned.returned_us = at_us
            self._count(returned, at_us)

    def close(self) -> None:
        """Count the alarms that still stand up to the end; then what needs all of them."""
        report = self._report
        for alarm in self._standing.values():
            self._count(alarm, max(report.last_us or 0, alarm.raised_us))
        if report.alarm_count > len(report.alarms):
            report.problems.append(f"more than {MOST_KEPT:,} alarms: tickets and floods are of the first")
        parents = self._alarms_of_parents()
        for alarm in report.alarms:
            parent = self._rules[alarm.rule].parent
            if parent and _free_from(alarm.raised_us, parents.get(parent, ()), alarm.asset) > alarm.raised_us:
                alarm.suppressed_by = parent
                report.rules[alarm.rule].suppressed += 1
        self._open_tickets(parents)
        heard = [a.raised_us for a in report.alarms if not a.suppressed_by and not self._rules[a.rule].shadow]
        report.floods = floods(sorted(heard))

    def _raise(self, key: tuple[str, str], severity: Severity, at_us: int, told: Told) -> None:
        values = {name: shown["value"] for name, shown in told.inputs.items()}
        seen = AlarmSeen(*key, raised_us=at_us, reached_us={severity: at_us}, inputs=values)
        self._standing[key] = seen
        self._report.rules[key[0]].alarms += 1
        if len(self._report.alarms) < MOST_KEPT:
            self._report.alarms.append(seen)

    def _count(self, alarm: AlarmSeen, until_us: int) -> None:
        seen = self._report.rules[alarm.rule]
        lasted_us = until_us - alarm.raised_us
        seen.by_severity[str(alarm.severity)] += 1
        seen.in_alarm_us += lasted_us
        seen.longest_us = max(seen.longest_us, lasted_us)

    def _alarms_of_parents(self) -> dict[str, list[AlarmSeen]]:
        found: dict[str, list[AlarmSeen]] = {rule.parent: [] for rule in self._rules.values() if rule.parent}
        for alarm in self._report.alarms:
            if alarm.rule in found:
                found[alarm.rule].append(alarm)
        return {rule: sorted(alarms, key=lambda alarm: alarm.raised_us) for rule, alarms in found.items()}

    def _open_tickets(self, parents: Mapping[str, Sequence[AlarmSeen]]) -> None:
        """One an asset and failure mode while it is open; a suppressed alarm asks for it when it is heard."""
        asked: list[tuple[int, AlarmSeen, TicketAction]] = []
        for alarm in self._report.alarms:
            rule = self._rules[alarm.rule]
            for action in () if rule.shadow else rule.tickets:
                reached = [at for severity, at in alarm.reached_us.items() if severity.rank >= action.lowest.rank]
                at_us = _free_from(min(reached, default=_NEVER), parents.get(rule.parent or "", ()), alarm.asset)
                if at_us < _end(alarm):
                    asked.append((at_us, alarm, action))
        tickets: dict[tuple[str, str], tuple[TicketSeen, int]] = {}
        for at_us, alarm, action in sorted(asked, key=lambda each: each[0]):
            key = alarm.asset, action.failure_mode
            ticket, open_until = tickets.get(key, (None, 0))
            if ticket is not None and at_us <= open_until:
                ticket.alarms += 1
            else:
                ticket = TicketSeen(*key, alarm.rule, at_us)
                self._report.tickets.append(ticket)
                self._report.rules[alarm.rule].tickets += 1
            tickets[key] = ticket, max(open_until, _end(alarm) + self._ticket_open_us)


def _free_from(at_us: int, parents: Iterable[AlarmSeen], asset: str) -> int:
    """From when on, at or after an instant, no alarm of a parent stands on the asset or above it."""
    for alarm in parents:
        if alarm.raised_us > at_us:
            break
        if at_us < _end(alarm) and (asset == alarm.asset or asset.startswith(f"{alarm.asset}/")):
            at_us = _end(alarm)
    return at_us


def _end(alarm: AlarmSeen) -> int:
    return _NEVER if alarm.returned_us is None else max(alarm.returned_us, alarm.raised_us + 1)


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
