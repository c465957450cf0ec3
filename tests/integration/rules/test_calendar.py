"""The calendar in the database: expanded from the configuration, repeated without a trace, history left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.config import Settings
from bridge.store.database import connected
from bridge.store.equipment import apply_plant

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)


def settings(dsn: str, start: str) -> Settings:
    return Settings.model_validate(
        {
            "plant": {"name": "A plant", "time_zone": "Europe/Berlin"},
            "database": {"dsn": dsn},
            "equipment": [{"path": "acme/dortmund/machining/line1/cnc1", "class": "cnc"}],
            "shift": [{"name": "night", "start": start, "end": "06:00"}],
        }
    )


async def shifts(dsn: str) -> list[tuple[datetime, timedelta]]:
    async with connected(dsn, "test") as connection:
        query = b"select lower(during) as start, upper(during) - lower(during) as lasts from calendar_shift order by 1"
        return [(row["start"], row["lasts"]) async for row in await connection.execute(query)]


async def test_night_of_the_change_to_summer_time_lasts_seven_hours_in_the_database(database_dsn: str) -> None:
    async with connected(database_dsn, "test") as connection:
        await apply_plant(connection, settings(database_dsn, "22:00"), NOW)
    found = dict(await shifts(database_dsn))
    assert found[datetime(2026, 3, 28, 21, tzinfo=UTC)] == timedelta(hours=7)
    assert found[datetime(2026, 3, 29, 20, tzinfo=UTC)] == timedelta(hours=8)


@pytest.mark.parametrize("start", ["22:00", "21:00"])
async def test_applying_again_changes_only_shifts_that_have_not_begun(database_dsn: str, start: str) -> None:
    later = NOW + timedelta(days=1, hours=11)  # in the middle of a night shift
    async with connected(database_dsn, "test") as connection:
        await apply_plant(connection, settings(database_dsn, "22:00"), NOW)
        before = await shifts(database_dsn)
        await apply_plant(connection, settings(database_dsn, start), later)
    after = await shifts(database_dsn)
    begun = [shift for shift in before if shift[0] <= later]
    assert after[: len(begun)] == begun
    hour = 20 if start == "22:00" else 19
    assert {shift[0].hour for shift in after[len(begun) :]} == {hour}
