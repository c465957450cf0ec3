"""Rules by version, and what they remember of each asset."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("rule")


class RuleText(NamedTuple):
    """A rule as it stands in its file; `sha256` is of its canonical body."""

    id: str
    sha256: str
    body: dict[str, Any]
    file: str


class RuleState(NamedTuple):
    """What a rule remembers of one asset."""

    rule_id: str
    instance: str
    state: dict[str, Any]
    watermark: datetime | None


async def activate(connection: Connection, rules: Iterable[RuleText], now: datetime) -> dict[str, int]:
    """Make exactly these rules the active ones from `now`; returns their versions. A changed body is a new version."""
    wanted = {rule.id: rule for rule in rules}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock)
        active = {row["id"]: row async for row in await connection.execute(_QUERIES.active)}
        same = {name for name, row in active.items() if name in wanted and wanted[name].sha256 == row["sha256"]}
        await connection.execute(_QUERIES.deactivate, {"ids": sorted(active.keys() - same)})
        versions = {name: int(active[name]["version"]) for name in same}
        for rule in wanted.values():
            if rule.id not in same:
                versions[rule.id] = await _insert(connection, rule, now)
    return versions


async def states(connection: Connection) -> dict[tuple[str, str], RuleState]:
    """Everything that is remembered, by rule and instance."""
    rows = await (await connection.execute(_QUERIES.states)).fetchall()
    return {(row["rule_id"], row["instance"]): RuleState(**row) for row in rows}


async def save_states(connection: Connection, changed: Iterable[RuleState]) -> None:
    """Write what changed, in one statement."""
    ordered = sorted(changed, key=lambda state: (state.rule_id, state.instance))
    if ordered:
        values = {
            "rules": [state.rule_id for state in ordered],
            "instances": [state.instance for state in ordered],
            "states": [Jsonb(state.state) for state in ordered],
            "watermarks": [state.watermark for state in ordered],
        }
        await connection.execute(_QUERIES.save_states, values)


async def _insert(connection: Connection, rule: RuleText, now: datetime) -> int:
    values = {"id": rule.id, "sha256": rule.sha256, "body": Jsonb(rule.body), "file": rule.file, "now": now}
    row = await (await connection.execute(_QUERIES.insert, values)).fetchone()
    assert row is not None, "the query returns the version"
    return int(row["version"])
