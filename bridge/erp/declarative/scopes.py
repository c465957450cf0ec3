"""Which placeholders may stand where in a description, and in which forms: a name is known from the question on that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from bridge.config import places
from bridge.erp.declarative.template import NAME, Placeholder
from bridge.erp.declarative.values import FIELDS, FORMS, READING, STOCK, TOTALS

_TIMES: Final = frozenset({"occurred_at", "started_at", "ended_at", "detected_at", "since"})
_IDS: Final = frozenset({"event_id", "reverses_id"})
_LISTS: Final = frozenset({"serials", "order_refs"})
# What people call it in other systems.
_CALLED: Final = {
    "unit": "uom", "order": "order_ref", "order_number": "order_ref", "qty": "quantity", "amount": "quantity",
    "machine": "equipment_id", "time": "occurred_at", "timestamp": "occurred_at", "id": "event_id", "key": "event_id",
    "article": "item", "material": "item", "product": "item", "batch": "lot", "operation": "segment", "warehouse": "location",
}  # fmt: skip
_NUMBERS: Final = frozenset(
    {"quantity", "cumulative", "before", "yielded", "scrapped", "available", "sequence", "ticket_id"}
)


def mistake_in(found: Placeholder, known: frozenset[str], taken: frozenset[str]) -> str:
    """What is wrong with a placeholder; empty: nothing. `taken` are names of answers, whose types nobody knows before."""
    names = known | taken
    if found.name not in names:
        close = (
            [_CALLED[found.name]]
            if _CALLED.get(found.name) in names
            else get_close_matches(found.name, sorted(names), 1)
        )
        meant = f"; did you mean {{{close[0]}}}" if close else f"; there are {', '.join(sorted(names)) or 'none'}"
        return f"{{{found.name}}} is unknown here{meant}"
    forms = FORMS if found.name in taken else _forms(found.name)
    if found.form in forms:
        return ""
    close = get_close_matches(found.form, sorted(forms - {""}), 1)
    meant = f"did you mean {close[0]}" if close else f"it has {', '.join(sorted(forms - {''}))}"
    return f"{{{found.name}:{found.form}}}: {'it has no such form' if found.form in FORMS else 'unknown form'}; {meant}"


def scope(raw: Mapping[str, Any], path: places.Path) -> tuple[frozenset[str], frozenset[str]]:
    """The event's own names at a place, and those that the questions before it take."""
    match path:
        case ("event", str(kind), *rest):
            return FIELDS.get(kind, frozenset()), _taken_before(raw["event"][kind], rest)
        case ("totals", *_):
            return TOTALS, frozenset()
        case ("stock", *_):
            return STOCK, frozenset()
        case ("check_item", *_):
            return frozenset({"item"}), frozenset()
        case ("check_equipment", *_):
            return frozenset({"equipment_id"}), frozenset()
        case _:
            return READING, frozenset()


def takes(raw: Mapping[str, Any]) -> Iterator[tuple[places.Path, str]]:
    """What is wrong with the names that questions take."""
    for path, question, fields in _questions(raw):
        for name in question.get("take", {}) if isinstance(question.get("take"), Mapping) else ():
            if not NAME.fullmatch(name):
                yield (*path, "take", name), "is no name of a placeholder: small letters, digits and _"
            elif name in fields:
                yield (*path, "take", name), f"{name} is the event's own: take it under another name"


def _forms(name: str) -> frozenset[str]:
    for names, forms in (
        (_TIMES, {"date", "time", "epoch_s", "epoch_ms"}),
        (_IDS, {"hex", "short", "upper"}),
        (_LISTS, {"list"}),
        (_NUMBERS, {"number", "integer"}),
        (frozenset({"is_final"}), {"boolean"}),
    ):
        if name in names:
            return frozenset({"", "text", *forms})
    return frozenset({"", "text", "upper", "number", "integer"})


def _taken_before(table: Any, rest: Sequence[str | int]) -> frozenset[str]:
    """What is taken before a place of an event's table: a question knows those before it, a step its own and the event's."""
    questions = _list(table, "ask")
    match rest:
        case ("lookup", *_):
            return frozenset()
        case ("ask", int(number), part, *_):
            return _names(questions[: number + (part == "require")])
        case ("step", int(number), "ask", int(inner), part, *_):
            return _names(questions) | _names(_list(_list(table, "step")[number], "ask")[: inner + (part == "require")])
        case ("step", int(number), *_):
            return _names(questions) | _names(_list(_list(table, "step")[number], "ask"))
        case _:
            return _names(questions)


def _questions(raw: Mapping[str, Any]) -> Iterator[tuple[places.Path, Mapping[str, Any], frozenset[str]]]:
    events = raw.get("event")
    for kind, table in events.items() if isinstance(events, Mapping) else ():
        fields = FIELDS.get(kind, frozenset())
        for number, question in enumerate(_list(table, "ask")):
            yield ("event", kind, "ask", number), question, fields
        for number, step in enumerate(_list(table, "step")):
            for inner, question in enumerate(_list(step, "ask")):
                yield ("event", kind, "step", number, "ask", inner), question, fields


def _list(table: Any, name: str) -> list[Mapping[str, Any]]:
    """A list of tables; whatever else stands there is told as a mistake of the shape."""
    found = table.get(name) if isinstance(table, Mapping) else None
    return [each if isinstance(each, Mapping) else {} for each in found] if isinstance(found, list) else []


def _names(questions: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(
        name for question in questions if isinstance(taken := question.get("take"), Mapping) for name in taken
    )
