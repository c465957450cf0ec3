"""What a rule does: tickets and postings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from bridge.model.alarm import Severity
from bridge.model.production import EventKind
from rules.conditions import Condition
from rules.conditions.counted import Counted
from rules.conditions.threshold import Threshold
from rules.durations import duration
from rules.rulebook.model import EvidenceSpec, Input, PostingAction, TicketAction
from rules.section import Item, Reader, Section, count, one_of, text

_FROM_SEVERITY: Final = "from_severity"
_MAX_EVIDENCE: Final = timedelta(days=7)

Actions = tuple[tuple[TicketAction, ...], tuple[PostingAction, ...]]


def read_actions(section: Section, condition: Condition | None, inputs: dict[str, Input]) -> Actions:
    """Take `actions`: a list of mappings with one action each."""
    item = section.item_of("actions")
    tickets: list[TicketAction] = []
    postings: list[PostingAction] = []
    for part in section.reader.sequence(item) if item else ():
        fields = section.reader.section(part)
        if (found := fields.item_of("ticket")) and (ticket := _ticket(section.reader, found, condition, inputs)):
            tickets.append(ticket)
        if (found := fields.item_of("erp_posting")) and (posting := _posting(section.reader, found, condition)):
            postings.append(posting)
        fields.close()
    if isinstance(condition, Counted) and item and len(postings) > 1:
        section.reader.tell(item, "a piece is posted once: there is one erp_posting a rule")
    return tuple(tickets), tuple(postings)


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


def _posting(reader: Reader, item: Item, condition: Condition | None) -> PostingAction | None:
    fields = reader.section(item)
    connector = fields.need("connector", text)
    kind = fields.take("kind", one_of(str, [str(EventKind.WIP_TO_FG)]), str(EventKind.WIP_TO_FG))
    quantity_item = fields.item_of("quantity")
    batch_item = fields.item_of("batch")
    max_qty, max_wait = _batch(reader, batch_item) if batch_item else (1, timedelta())
    fields.close()
    if condition and not isinstance(condition, Counted):
        reader.tell(item, "a posting follows counted pieces: the rule needs on")
        return None
    if isinstance(condition, Counted) and quantity_item:
        wanted = f"delta({condition.counter})"
        if reader.convert(quantity_item, text) != wanted:
            reader.tell(quantity_item, f"must be {wanted}: what is counted is what is posted")
    return PostingAction(connector, kind, max_qty, max_wait) if connector else None


def _batch(reader: Reader, item: Item) -> tuple[int, timedelta]:
    fields = reader.section(item)
    max_qty = fields.take("max_qty", count, 1)
    max_wait = fields.take("max_wait", lambda v: duration(text(v)), timedelta())
    fields.close()
    return max_qty, max_wait
