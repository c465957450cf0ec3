"""The fields of an event for a business system as people read and mend them: names, kinds of values, what is wrong with a new one.

The neutral events and their fields are those of bridge/model/production.py and notice.py (ISA-95 part 2). What makes an event the
fact that it is (its id, its sequence) and what it holds of another event is shown and never changed. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from bridge.model.production import EventKind
from bridge.model.text import storable

ValueKind = Literal["text", "quantity", "share", "instant", "flag", "texts", "fixed"]

_LONGEST: Final = 2000
_MOST_TEXTS: Final = 200
# Every field that events have, in the order in which they are read. A share may be 0, a quantity must be more.
_ALL: Final[Mapping[str, tuple[str, ValueKind]]] = {
    "order_ref": ("Order", "text"),
    "ticket_id": ("Ticket", "fixed"),
    "segment": ("Operation", "text"),
    "item": ("Item", "text"),
    "quantity": ("Quantity", "quantity"),
    "yielded": ("Good pieces", "share"),
    "scrapped": ("Scrap", "share"),
    "available": ("Available", "share"),
    "cumulative": ("Of the order so far, this one included", "quantity"),
    "uom": ("Unit", "text"),
    "reason": ("Reason", "text"),
    "lot": ("Lot", "text"),
    "serials": ("Serial numbers", "texts"),
    "serials_missing": ("Why serial numbers are missing", "fixed"),
    "location": ("Location", "text"),
    "occurred_at": ("Happened at", "instant"),
    "started_at": ("Began at", "instant"),
    "ended_at": ("Ended at", "instant"),
    "is_final": ("Nothing more comes of this operation", "flag"),
    "equipment": ("Machine", "text"),
    "tag": ("Tag", "text"),
    "value": ("Value", "fixed"),
    "failure_mode": ("Failure mode", "text"),
    "priority": ("Priority", "text"),
    "severity": ("Severity", "text"),
    "title": ("Title", "text"),
    "subject": ("Subject", "text"),
    "description": ("Description", "text"),
    "body": ("Text", "text"),
    "detected_at": ("Seen at", "instant"),
    "cause": ("Cause", "fixed"),
    "reverses": ("Takes back", "fixed"),
    "facts": ("Facts", "fixed"),
    "sequence": ("Number within the order", "fixed"),
    "event_id": ("Id of the fact", "fixed"),
}
# What an event of a kind may have beside what it was written with.
_MATERIAL: Final = ("item", "reason", "lot", "serials", "location")
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    EventKind.WIP_TO_FG: _MATERIAL,
    EventKind.SCRAP: _MATERIAL,
    EventKind.CONSUMED: _MATERIAL,
}


class NotAValue(ValueError):
    """A value that a field cannot take; the message is for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event. `value` is as it stands in the payload, None where it is not there; `kind` fixed: shown only."""

    name: str
    label: str
    kind: ValueKind
    value: Any


def fields_of(kind: str, payload: Mapping[str, Any]) -> list[Field]:
    """The fields of an event, known ones first and in a fixed order; what nobody knows is shown and not changed."""
    may_have = set(payload) | set(_OPTIONAL.get(kind, ()))
    known = [Field(name, label, of, payload.get(name)) for name, (label, of) in _ALL.items() if name in may_have]
    return known + [Field(name, name, "fixed", payload[name]) for name in payload if name not in _ALL]


def changes_of(kind: str, payload: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What really changes, as it goes into the payload. Raises NotAValue naming every field that cannot be as wanted."""
    fields = {field.name: field for field in fields_of(kind, payload)}
    changes, problems = {}, []
    for name, value in wanted.items():
        try:
            if name not in fields:
                known = ", ".join(field.name for field in fields.values() if field.kind != "fixed")
                raise NotAValue(f"{name}: a {kind} event has no such field; it has {known}")  # noqa: TRY301  # told with the others
            changed = _value(fields[name], value)
        except NotAValue as problem:
            problems.append(str(problem))
        else:
            if changed != payload.get(name) and not (changed in ("", []) and name not in payload):
                changes[name] = changed
    if problems:
        raise NotAValue("; ".join(problems))
    return changes


def _value(field: Field, value: Any) -> Any:
    match field.kind:
        case "fixed":
            raise NotAValue(f"{field.name}: is part of what the event is, and is never changed")
        case "quantity" | "share":
            return _quantity(field, value)
        case "instant":
            return _instant(field.name, value)
        case "flag":
            if not isinstance(value, bool):
                raise NotAValue(f"{field.name}: is true or false")
            return value
        case "texts":
            if not isinstance(value, list) or len(value) > _MOST_TEXTS:
                raise NotAValue(f"{field.name}: is a list of at most {_MOST_TEXTS} texts")
            return [_text(field.name, each) for each in value]
        case _:
            return _text(field.name, value)


def _quantity(field: Field, value: Any) -> str:
    try:
        quantity = Decimal(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    except InvalidOperation:
        quantity = None
    if quantity is None or not quantity.is_finite():
        raise NotAValue(f"{field.name}: {str(value)[:40]!r} is no number; write it as 12 or 12.5")
    if quantity < 0 or (field.kind == "quantity" and quantity == 0):
        raise NotAValue(
            f"{field.name}: is {'more than' if field.kind == 'quantity' else 'at least'} 0; to take pieces back use a reversal"
        )
    text = f"{quantity:f}" if abs(quantity.adjusted()) < 40 else ""  # more digits than any plant counts
    if not text:
        raise NotAValue(f"{field.name}: {value[:40]} is out of all measure")
    return text


def _instant(name: str, value: Any) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise NotAValue(f"{name}: {str(value)[:40]!r} is no instant; write it as 2026-07-01T12:00:00+02:00") from None
    if instant.tzinfo is None:
        raise NotAValue(f"{name}: {value} says no zone; write it as {value}+02:00 or {value}Z")
    return instant.astimezone(UTC).isoformat()


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise NotAValue(f"{name}: is a text")
    if len(value) > _LONGEST:
        raise NotAValue(f"{name}: has {len(value)} characters; at most {_LONGEST} are taken")
    return storable(value.strip())
