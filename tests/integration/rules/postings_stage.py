"""What rules post, as a test looks at it: the rules of a stage, and the payloads as a connector reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.erp import event as events
from tests.integration.rules.rules_stage import (
    RULES,
    Stage,
    open_stage,
    together,
)

HEAD = "apiVersion: rules/v1\nrules:\n"
FINISHED = RULES[RULES.index("- id: finished-goods") :]


@asynccontextmanager
async def stage(dsn: str, folder: Path, *rules: str) -> AsyncIterator[Stage]:
    async with open_stage(dsn, folder, rules=HEAD + "".join(rules)) as opened:
        yield opened


async def posted(bench: Stage, kind: str) -> list[dict[str, Any]]:
    """The payloads of a kind, as a connector reads them; each names its counts and has an id of its own."""
    rows = await bench.rows(
        "select o.stream, o.key, o.payload, (select sum(c.qty) from outbox_count x join production_count c on c.id = x.count_id "
        f"where x.outbox_id = o.id)::int as pieces from outbox o where kind = '{kind}' order by stream, seq"
    )
    for row in rows:
        events.read(kind, row["payload"])
        assert (row["key"], row["stream"]) == (row["payload"]["event_id"], row["payload"]["order_ref"])
    keys = await bench.rows("select key from outbox")
    assert len(keys) == len({row["key"] for row in keys})
    return [{**row["payload"], "pieces": row["pieces"]} for row in rows]


def short(payloads: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(payload.get(name) for name in names) for payload in payloads]


def count(equipment: str, second: float, *, order: str = "MO/1", **tags: Any) -> list[Any]:
    return together(equipment, second, state="EXECUTE", order__number=order, **tags)
