"""What an event fills placeholders with: its fields, by the names of its payload, in the forms that can be asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp.connector import Event
from bridge.erp.declarative.template import Placeholder
from bridge.erp.posting import json_number, key16, local_time, quantity_of
from bridge.erp.quantity import Units
from bridge.model.production import (
    Availability,
    EventKind,
    MaterialActual,
    ProductionPerformance,
    Reversal,
    WorkRequest,
)

_ORDER: Final = frozenset({"event_id", "kind", "order_ref", "sequence"})
_MATERIAL: Final = _ORDER | frozenset(
    {"occurred_at", "quantity", "cumulative", "before", "uom", "equipment", "equipment_id", "reason", "item"}
    | {"lot", "serials", "location"}
)
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    EventKind.WIP_TO_FG: _MATERIAL,
    EventKind.SCRAP: _MATERIAL,
    EventKind.CONSUMED: _MATERIAL,
    EventKind.PERFORMANCE: _ORDER
    | {
        "segment",
        "started_at",
        "ended_at",
        "yielded",
        "scrapped",
        "uom",
        "equipment",
        "equipment_id",
        "reason",
        "is_final",
    },
    EventKind.REVERSAL: _ORDER
    | {"occurred_at", "quantity", "cumulative", "before", "reason", "uom", "item", "reverses_id", "reverses_kind"},
    EventKind.WORK_REQUEST: frozenset(
        {
            "event_id",
            "kind",
            "ticket_id",
            "equipment",
            "equipment_id",
            "failure_mode",
            "priority",
            "title",
            "description",
        }
        | {"detected_at"}
    ),
    EventKind.AVAILABILITY: frozenset(
        {"event_id", "kind", "item", "location", "sequence", "occurred_at", "available", "uom"}
    ),
}
"""The names that a description may use for each kind of event."""

READING: Final = frozenset({"since", "cursor"})
TOTALS: Final = frozenset({"order_ref", "order_refs", "cursor"})
STOCK: Final = frozenset({"item", "location"})
ITEM_CODE: Final = "item_code"
"""What an `ask` takes under this name is the code of the item that the order makes: it finds the item's unit and factor."""
FORMS: Final = frozenset(
    {"", "text", "number", "integer", "boolean", "list", "date", "time", "epoch_s", "epoch_ms", "hex", "short", "upper"}
)


def values(event: Event, settings: DeclarativeSettings, units: Units, item: str = "") -> dict[str, Any]:
    """The event's fields, in the system's units and names. Raises BusinessError where a quantity does not fit there.

    `item` is what the event's order makes, for events that do not name their item: its factor counts.
    """
    found: dict[str, Any] = {"event_id": event.event_id, "kind": str(event.kind)}
    match event:
        case MaterialActual():
            found |= _named(event, ("order_ref", "sequence", "occurred_at", "equipment", "lot"))
            found |= _quantities(event, event, settings, units, item, ("quantity", "cumulative"))
            found |= {
                "serials": list(event.serials),
                "location": settings.locations.get(event.location, event.location),
            }
        case ProductionPerformance():
            found |= _named(
                event, ("order_ref", "sequence", "segment", "started_at", "ended_at", "equipment", "is_final")
            )
            found |= _quantities(event, event, settings, units, item, ("yielded", "scrapped"))
        case Reversal():
            found |= _named(event, ("order_ref", "sequence", "occurred_at"))
            found |= _quantities(event, event.reverses, settings, units, item, ("quantity", "cumulative"))
            found |= {"reverses_id": event.reverses.event_id, "reverses_kind": str(event.reverses.kind)}
        case WorkRequest():
            names = ("ticket_id", "equipment", "failure_mode", "priority", "title", "description", "detected_at")
            found |= _named(event, names)
        case Availability():
            found |= _named(event, ("sequence", "occurred_at"))
            found |= _quantities(event, event, settings, units, item, ("available",))
            found["location"] = settings.locations.get(event.location, event.location)
        case _:
            pass
    if "equipment" in found:
        found["equipment_id"] = settings.equipment_ids.get(found["equipment"], found["equipment"])
    if reason := getattr(event, "reason", None):
        found["reason"] = settings.reasons.get(reason, reason)
    return {"reason": "", **found}


def in_form(value: Any, part: Placeholder, zone: str) -> Any:
    """A value in the form that a placeholder asks for, as JSON has it. Raises ValueError where it has no such form."""
    if part.form in {"", "text"}:
        return _text(value)
    if isinstance(value, datetime):
        return _moment(value, part.form, zone)
    accepts, turn = _TURNS[part.form]
    if isinstance(value, bool) is not (part.form == "boolean") or not isinstance(value, accepts):
        raise ValueError(f"{{{part.name}:{part.form}}}: {value!r} has no such form")
    return turn(value)


def _text(value: Any) -> Any:
    match value:
        case list() | dict() | bool() | None:
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def _integer(value: Any) -> int:
    number = Decimal(value)
    if number != number.to_integral_value():
        raise ValueError(f"{value} is no whole number")
    return int(number)


_TURNS: Final[Mapping[str, tuple[Any, Callable[[Any], Any]]]] = {
    "number": (Decimal | int | str, lambda value: json_number(quantity_of(value))),
    "integer": (Decimal | int | str, _integer),
    "boolean": (bool, bool),
    "list": (list, list),
    "hex": (uuid.UUID, lambda value: value.hex),
    "short": (uuid.UUID, key16),
    "upper": (str | uuid.UUID, lambda value: str(value).upper()),
    **dict.fromkeys(("date", "time", "epoch_s", "epoch_ms"), (datetime, str)),
}


def _moment(moment: datetime, form: str, zone: str) -> Any:
    local = local_time(moment, zone)
    forms: dict[str, Any] = {
        "date": local.date().isoformat(),
        "time": f"{local:%H:%M:%S}",
        "epoch_s": int(moment.timestamp()),
        "epoch_ms": int(moment.timestamp() * 1000),
    }
    if form not in forms:
        raise ValueError(f"a time has no form {form}: {', '.join(forms)} it has")
    return forms[form]


def _named(event: Event, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names}


def _quantities(
    event: Event,
    measured: MaterialActual | ProductionPerformance | Availability,
    settings: DeclarativeSettings,
    units: Units,
    made: str,
    names: tuple[str, ...],
) -> dict[str, Any]:
    item = getattr(measured, "item", "") or made
    found: dict[str, Any] = {"item": units.code(item) if item else ""}
    for name in names:
        posted = units.posted(getattr(event, name), measured.uom, item, settings.digits)
        found[name], found["uom"] = posted.quantity, posted.uom or measured.uom
    if "cumulative" in found:
        found["before"] = found["cumulative"] - found["quantity"]
    return found
