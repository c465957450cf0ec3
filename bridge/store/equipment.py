"""Equipment, the state map and the calendar: what the configuration says of the plant, brought into the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bridge.config.settings import Settings
from bridge.model.calendar import expand
from bridge.model.equipment import EquipmentPath
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("equipment")
_CALENDAR_DAYS: Final = 14


async def apply_plant(connection: Connection, settings: Settings, now: datetime) -> None:
    """Bring equipment, state map and the shifts of the coming two weeks into the database; repeating it changes nothing.

    Shifts that began are history and stay as they are.
    """
    async with connection.transaction():
        for equipment in settings.equipment:
            path = EquipmentPath.parse(equipment.path)
            if path.parent:
                await ensure(connection, path.parent)
            await connection.execute(
                _QUERIES.upsert,
                {
                    **_columns(path),
                    "class": equipment.equipment_class,
                    "position": equipment.position,
                    "is_final": equipment.is_final,
                    "ideal_cycle_s": equipment.ideal_cycle_s,
                },
            )
        states = settings.production.states
        await connection.execute(
            _QUERIES.replace_state_map, {"raw": list(states), "canonical": [str(state) for state in states.values()]}
        )
        await apply_calendar(connection, settings, now)


async def apply_calendar(connection: Connection, settings: Settings, now: datetime) -> None:
    """Replace the shifts that have not begun by those of the configuration, for two weeks from yesterday on."""
    async with connection.transaction():
        await connection.execute(_QUERIES.delete_future_shifts, {"now": now})
        zone = settings.plant.zone
        first = now.astimezone(zone).date() - timedelta(days=1)
        for shift in settings.shift:
            for start, end in expand(shift.start, shift.end, shift.days, zone, first, _CALENDAR_DAYS):
                await connection.execute(
                    _QUERIES.insert_shift,
                    {"name": shift.name, "start": start, "end": end, "rate": shift.planned_rate_per_h},
                )


async def ensure(connection: Connection, path: EquipmentPath) -> int:
    """The id of a piece of equipment, made with those above it where it is new."""
    if path.parent:
        await ensure(connection, path.parent)
    row = await (await connection.execute(_QUERIES.ensure, _columns(path))).fetchone()
    assert row is not None, "the query returns the row that it made or found"
    return int(row["id"])


async def all_equipment(connection: Connection) -> list[Row]:
    """All equipment by path: id, parent_id, level, path, name, class, position, is_final, ideal_cycle_s."""
    return await (await connection.execute(_QUERIES.all)).fetchall()


def _columns(path: EquipmentPath) -> dict[str, str | None]:
    return {
        "path": str(path),
        "parent": str(path.parent) if path.parent else None,
        "level": str(path.level),
        "name": path.name,
    }
