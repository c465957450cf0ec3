"""Tags: found by equipment and name, registered on sight."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from bridge.model.equipment import EquipmentPath
from bridge.model.reading import TagKey, TagSpec
from bridge.store import equipment
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("tag")


class KnownTag(NamedTuple):
    """A registered tag: its id and what its first reading was, number or text."""

    id: int
    datatype: str


async def count(connection: Connection) -> int:
    """How many tags there are."""
    row = await (await connection.execute(_QUERIES.count)).fetchone()
    assert row is not None, "a count is one row"
    return int(row["tags"])


async def find(connection: Connection, keys: Collection[TagKey]) -> dict[TagKey, KnownTag]:
    """Those of the tags that are registered."""
    wanted = {"paths": [key.equipment for key in keys], "names": [key.name for key in keys]}
    rows = await connection.execute(_QUERIES.find, wanted)
    return {TagKey(row["path"], row["name"]): KnownTag(row["id"], row["datatype"]) async for row in rows}


async def register(connection: Connection, source: str, specs: Sequence[TagSpec]) -> dict[TagKey, KnownTag]:
    """Register tags with the equipment that carries them, where they are new; returns all of them.

    A tag that another writer registered at the same time is found, not made twice.
    """
    for path in sorted({spec.key.equipment for spec in specs}):
        await equipment.ensure(connection, EquipmentPath.parse(path))
    await connection.execute(
        _QUERIES.register,
        {
            "source": source,
            "paths": [spec.key.equipment for spec in specs],
            "names": [spec.key.name for spec in specs],
            "datatypes": [spec.datatype for spec in specs],
            "units": [spec.unit for spec in specs],
            "kinds": [str(spec.kind) for spec in specs],
            "addresses": [spec.address for spec in specs],
        },
    )
    return await find(connection, [spec.key for spec in specs])
