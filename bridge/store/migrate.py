"""Forward-only migrations with checksums, run by one process at a time under an advisory lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from bridge.errors import MigrationError
from bridge.store.database import Connection, connected
from bridge.store.queries import FOLDER, load

_QUERIES: Final = load("migration")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of sql/migrations."""

    version: int
    name: str
    text: bytes

    @property
    def sha256(self) -> str:
        """Of the text, so that a file that was changed after it ran is noticed."""
        return hashlib.sha256(self.text).hexdigest()


def migrations() -> list[Migration]:
    """All of sql/migrations, in order."""
    found = []
    for entry in FOLDER.joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, name = entry.name.removesuffix(".sql").split("_", 1)
            found.append(Migration(int(number), name, entry.read_bytes()))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(dsn: str) -> list[str]:
    """Bring the database to this version's schema; returns the names of the migrations that ran.

    Each runs in a transaction of its own. Raises MigrationError where a file that ran has changed since, or where the
    database is newer than this program.
    """
    async with connected(dsn, "migrate") as connection:
        await connection.execute(_QUERIES.lock)
        await connection.execute(_QUERIES.create_table)
        known = {migration.version: migration for migration in migrations()}
        done = await _check_done(connection, known)
        ran = []
        for version in sorted(known.keys() - done):
            migration = known[version]
            async with connection.transaction():
                await connection.execute(migration.text)
                await connection.execute(_QUERIES.record, (version, migration.name, migration.sha256))
            ran.append(f"{version:04}_{migration.name}")
        return ran


async def pending(connection: Connection) -> list[str]:
    """The names of the migrations that have not run; empty where the database is up to date."""
    exists = await (await connection.execute(_QUERIES.table_exists)).fetchone()
    done: set[int] = set()
    if exists and exists["found"]:
        done = {row["version"] async for row in await connection.execute(_QUERIES.done)}
    return [f"{m.version:04}_{m.name}" for m in migrations() if m.version not in done]


async def _check_done(connection: Connection, known: dict[int, Migration]) -> set[int]:
    done = set()
    async for row in await connection.execute(_QUERIES.done):
        version = row["version"]
        if version not in known:
            raise MigrationError(
                f"the database has migration {version:04}_{row['name']}, which this version does not know: install a newer one"
            )
        if row["sha256"] != known[version].sha256:
            raise MigrationError(
                f"migration {version:04}_{row['name']} was changed after it ran: restore the file, add a new one instead"
            )
        done.add(version)
    return done
