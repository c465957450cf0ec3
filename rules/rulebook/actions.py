"""What a rule does: tickets, postings, notifications, webhooks, writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast, get_args

from bridge.model.alarm import Severity
from rules.conditions import Condition
from rules.conditions.threshold import Threshold
from rules.durations import duration
from rules.rulebook.model import (
    Actions,
    EvidenceSpec,
    Input,
    NotifyAction,
    TicketAction,
    WebhookAction,
    When,
    WriteAction,
)
from rules.rulebook.postings import purpose_of, read_posting
from rules.section import Item, Reader, Section, T, one_of, text

_FROM_SEVERITY: Final = "from_severity"
_MAX_EVIDENCE: Final = timedelta(days=7)

_ON: Final[tuple[When, ...]] = get_args(When)
_ON_DEFAULT: Final[frozenset[When]] = frozenset({"raise", "escalate"})


def read_actions(section: Section, condition: Condition | None, inputs: dict[str, Input]) -> Actions:
    """Take `actions`: a list of mappings with one action each."""
    item = section.item_of("actions")
    found = Actions()
    for part in section.reader.sequence(item) if item else ():
        fields = section.reader.section(part)
        found = _with(found, fields, condition, inputs)
        fields.close()
    return found


def _with(found: Actions, fields: Section, condition: Condition | None, inputs: dict[str, Input]) -> Actions:
    reader = fields.reader
    if (item := fields.item_of("ticket")) and (ticket := _ticket(reader, item, condition, inputs)):
        found = replace(found, tickets=(*found.tickets, ticket))
    if (item := fields.item_of("erp_posting")) and (posting := read_posting(reader, item, condition)):
        if purpose_of(posting) in map(purpose_of, found.postings):
            reader.tell(
                item, "a piece is posted once for a purpose: connector, kind and item are those of an erp_posting above"
            )
        found = replace(found, postings=(*found.postings, posting))
    if (item := fields.item_of("notify")) and (notify := _notify(reader, item, condition)):
        found = replace(found, notifies=(*found.notifies, notify))
    if (item := fields.item_of("webhook")) and (webhook := _webhook(reader, item, condition)):
        found = replace(found, webhooks=(*found.webhooks, webhook))
    if (item := fields.item_of("write")) and (write := _write(reader, item, condition)):
        found = replace(found, writes=(*found.writes, write))
    return found


def _notify(reader: Reader, item: Item, condition: Condition | None) -> NotifyAction | None:
    fields = reader.section(item)
    to = _words(reader, fields, "to", text)
    lowest, on = _occasion(reader, item, fields, condition, "a notification")
    fields.close()
    if not to:
        reader.tell(item, "to is missing: the roles that are told, e.g. to: [shift_lead]")
        return None
    return NotifyAction(to, lowest, on)


def _webhook(reader: Reader, item: Item, condition: Condition | None) -> WebhookAction | None:
    fields = reader.section(item)
    connector = fields.need("connector", text)
    lowest, on = _occasion(reader, item, fields, condition, "a webhook")
    fields.close()
    return WebhookAction(connector, lowest, on) if connector else None


def _write(reader: Reader, item: Item, condition: Condition | None) -> WriteAction | None:
    fields = reader.section(item)
    connector, tag, value = fields.need("connector", text), fields.need("tag", text), fields.need("value", _plain)
    lowest, on = _occasion(reader, item, fields, condition, "a write")
    fields.close()
    return WriteAction(connector, tag, value, lowest, on) if connector and tag and value is not None else None


def _occasion(
    reader: Reader, item: Item, fields: Section, condition: Condition | None, what: str
) -> tuple[Severity, frozenset[When]]:
    """Take `from` and `on`, and say where there is no alarm that they could be of."""
    lowest = fields.take("from", one_of(Severity, list(Severity)), Severity.LOW)
    on = frozenset(_words(reader, fields, "on", _when)) or _ON_DEFAULT
    if condition and not isinstance(condition, Threshold):
        reader.tell(item, f"{what} follows an alarm: the rule needs levels")
    elif isinstance(condition, Threshold) and condition.levels[-1].severity.rank < lowest.rank:
        reader.tell(item, f"would never happen: the highest level is {condition.levels[-1].severity}")
    return lowest, on


def _words(reader: Reader, fields: Section, key: str, convert: Callable[[Any], T]) -> tuple[T, ...]:
    item = fields.item_of(key)
    found = [reader.convert(part, convert) for part in reader.sequence(item)] if item else []
    return tuple(word for word in found if word is not None)


def _when(value: Any) -> When:
    if value not in _ON:
        raise ValueError(f"must be one of {', '.join(_ON)}")
    return cast("When", value)


def _plain(value: Any) -> float | str | bool:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise ValueError("must be a number, a text, true or false")


def _ticket(reader: Reader, item: Item, condition: Condition | None, inputs: dict[str, Input]) -> TicketAction | None:
    fields = reader.section(item)
    failure_mode = fields.need("failure_mode", text)
    severity = one_of(Severity, list(Severity))
    priority = fields.take("priority", lambda v: None if v == _FROM_SEVERITY else severity(v), None)
    lowest = fields.take("from", severity, Severity.LOW)
    connector = fields.take("connector", text, "") or None
    evidence_item = fields.item_of("evidence")
    evidence = _evidence(reader, evidence_item, inputs) if evidence_item else None
    fields.close()
    if condition and not isinstance(condition, Threshold):
        reader.tell(item, "a ticket follows an alarm: the rule needs levels")
        return None
    if isinstance(condition, Threshold) and condition.levels[-1].severity.rank < lowest.rank:
        reader.tell(item, f"no ticket would ever be opened: the highest level is {condition.levels[-1].severity}")
    return TicketAction(failure_mode, priority, lowest, connector, evidence) if failure_mode else None


def _evidence(reader: Reader, item: Item, inputs: dict[str, Input]) -> EvidenceSpec:
    fields = reader.section(item)
    before = fields.take("before", _evidence_span, timedelta(minutes=10))
    after = fields.take("after", _evidence_span, timedelta(minutes=1))
    tags_item = fields.item_of("tags")
    names = [reader.convert(part, text) for part in reader.sequence(tags_item)] if tags_item else list(inputs)
    fields.close()
    # The name of an input stands for its tag.
    tags = [inputs[name].tag if name in inputs else name for name in names if name]
    return EvidenceSpec(before, after, tuple(dict.fromkeys(tags)))


def _evidence_span(value: Any) -> timedelta:
    found = duration(text(value))
    if found > _MAX_EVIDENCE:
        raise ValueError(f"more than {_MAX_EVIDENCE.days} days of evidence")
    return found
