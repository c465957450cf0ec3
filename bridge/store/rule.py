"""Rules by version, and what they remember of each asset."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from psycopg.types.json import Jsonb

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("rule")


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


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


class Version(NamedTuple):
    """A version of a rule, active from `since`."""

    number: int
    since: datetime


class Checkpoint(NamedTuple):
    """All that a rule remembered of an asset when everything up to `at` of the asset's time was worked on."""

    rule_id: str
    equipment_id: int
    at: datetime
    state: dict[str, Any]


async def activate(connection: Connection, rules: Iterable[RuleText], now: datetime) -> dict[str, Version]:
    """Make exactly these rules the active ones from `now`; returns their versions. A changed body is a new version."""
    wanted = {rule.id: rule for rule in rules}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock)
        active = {row["id"]: row async for row in await connection.execute(_QUERIES.active)}
        same = {name for name, row in active.items() if name in wanted and wanted[name].sha256 == row["sha256"]}
        await connection.execute(_QUERIES.deactivate, {"ids": sorted(active.keys() - same)})
        versions = {name: Version(int(active[name]["version"]), active[name]["loaded_at"]) for name in same}
        new = [rule for name, rule in wanted.items() if name not in same]
        if new:
            versions |= await _insert(connection, new, now)
    return versions


async def states(connection: Connection, rules: Collection[str] | None = None) -> dict[tuple[str, str], RuleState]:
    """What is remembered, by rule and instance; of all rules, or of some."""
    values = {"rules": None if rules is None else list(rules)}
    rows = await (await connection.execute(_QUERIES.states, values)).fetchall()
    return {(row["rule_id"], row["instance"]): RuleState(**row) for row in rows}


async def save_states(connection: Connection, changed: Iterable[RuleState]) -> None:
    """Write what changed, in one statement."""
    ordered = sorted(changed, key=lambda state: (state.rule_id, state.instance))
    if ordered:
        values = {"states": Jsonb([state._asdict() for state in ordered], dumps=_dumps)}
        await connection.execute(_QUERIES.save_states, values)


async def save_checkpoints(connection: Connection, checkpoints: Collection[Checkpoint]) -> None:
    """Write what can be gone back to, in one statement."""
    if checkpoints:
        values = {"states": Jsonb([each._asdict() for each in checkpoints], dumps=_dumps)}
        await connection.execute(_QUERIES.save_checkpoints, values)


async def checkpoint_before(
    connection: Connection, rule_id: str, equipment_id: int, version: int, before: datetime
) -> Checkpoint | None:
    """The newest before an instant that a version of a rule took; None where there is none."""
    values = {"rule_id": rule_id, "equipment_id": equipment_id, "version": version, "before": before}
    row = await (await connection.execute(_QUERIES.checkpoint_before, values)).fetchone()
    return Checkpoint(rule_id, equipment_id, row["at"], row["state"]) if row else None


async def carried_checkpoint(
    connection: Connection, rule_id: str, equipment_id: int, version: int
) -> Checkpoint | None:
    """What a version of a rule took over from the one before; None where it began anew."""
    values = {"rule_id": rule_id, "equipment_id": equipment_id, "version": version}
    row = await (await connection.execute(_QUERIES.carried_checkpoint, values)).fetchone()
    return Checkpoint(rule_id, equipment_id, row["at"], row["state"]) if row else None


async def forget(connection: Connection, rules: Collection[str]) -> None:
    """Forget what all rules but these remembered: one that comes back begins anew."""
    await connection.execute(_QUERIES.forget, {"rules": list(rules)})


async def drop_checkpoints(connection: Connection, rule_id: str, equipment_id: int, since: datetime) -> None:
    """Delete those from an instant on: what they say is not so."""
    await connection.execute(
        _QUERIES.drop_checkpoints, {"rule_id": rule_id, "equipment_id": equipment_id, "from": since}
    )


async def newest_checkpoints(connection: Connection, rules: Collection[str]) -> dict[tuple[str, int], Checkpoint]:
    """The newest of each asset of some rules, by rule and equipment."""
    rows = await connection.execute(_QUERIES.newest_checkpoints, {"rules": list(rules)})
    return {(row["rule_id"], row["equipment_id"]): Checkpoint(**row) async for row in rows}


async def prune_checkpoints(connection: Connection, horizon: datetime) -> int:
    """Delete those that nothing goes back to any longer; returns how many they were."""
    return (await connection.execute(_QUERIES.prune_checkpoints, {"horizon": horizon})).rowcount


async def record_load(
    connection: Connection, at: datetime, rules: int, problems: Collection[dict[str, Any]] = ()
) -> None:
    """Write down that rule files were read: taken, or refused for their problems."""
    values = {"at": at, "accepted": not problems, "rules": rules, "problems": Jsonb(list(problems))}
    await connection.execute(_QUERIES.record_load, values)


async def _insert(connection: Connection, rules: Collection[RuleText], now: datetime) -> dict[str, Version]:
    values = {"rules": Jsonb([rule._asdict() for rule in rules], dumps=_dumps), "now": now}
    return {row["id"]: Version(row["version"], now) async for row in await connection.execute(_QUERIES.insert, values)}
