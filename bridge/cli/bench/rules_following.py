"""The parts of `amor bench rules` that need a database: how far the process is behind, and what a reload takes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bridge.cli.bench.rule_texts import RULE, rule_file
from bridge.cli.bench.stage import start
from bridge.cli.bench.usage import cpu_s, rss_mb
from bridge.config import Settings
from bridge.model.equipment import TagKind
from bridge.model.reading import Reading, TagKey, TagSpec, microseconds
from bridge.store import reading, tag
from bridge.store.database import Connection, connected
from bridge.store.embedded import PrivateDatabase, data_folder, prepare
from bridge.store.migrate import migrate
from bridge.store.queries import load

_QUERIES: Final = load("bench_rules")
_ASSETS: Final = 1000
_TAGS: Final = 10  # of an asset; the first has a rule
_BATCHES_S: Final = 20
_WARM_UP_S: Final = 3.0
_LANE: Final = 1
_SOURCE: Final = "bench"
_CONFIGURATION: Final = """\
[plant]
name = "Bench"
[database]
dsn = "{dsn}"
[[source]]
name = "bench"
type = "mqtt"
lane = 1
url = "mqtt://127.0.0.1:1"
[[source.subscribe]]
topic = "bench/{{tag}}"
equipment = "acme/bench/area/line/m0"
[rules]
files = ["{rules}"]
lateness_ms = 500
"""


def lag(rate: int, seconds: float) -> dict[str, Any]:
    """From the commit of a batch until the rules have read and judged it, of the real process against the real database."""
    with data_folder() as place, PrivateDatabase(prepare(), place / "database") as server:
        asyncio.run(migrate(server.dsn))
        with TemporaryDirectory(prefix="amor-bench-") as name:
            folder = Path(name)
            rules = rule_file(folder, [RULE.format(id="vibration", for_each="{}", tag="t0", limit=7.1)])
            configuration = folder / "bench.toml"
            configuration.write_text(_CONFIGURATION.format(dsn=server.dsn, rules=rules))
            return asyncio.run(_lag(server.dsn, configuration, rate, seconds))


def reload(rules: int) -> dict[str, Any]:
    """Reading and exchanging rules, each for an asset of its own, in an engine that has worked on a reading of each."""
    with data_folder() as place, PrivateDatabase(prepare(), place / "database") as server:
        asyncio.run(migrate(server.dsn))
        with TemporaryDirectory(prefix="amor-bench-") as name:
            return asyncio.run(_reload(server.dsn, Path(name), rules))


async def _lag(dsn: str, configuration: Path, rate: int, seconds: float) -> dict[str, Any]:
    keys = [TagKey(f"acme/bench/area/line/m{a}", f"t{t}") for a in range(_ASSETS) for t in range(_TAGS)]
    async with connected(dsn, "bench") as writer, connected(dsn, "bench watch") as watcher:
        tags = await _register(writer, keys)
        await reading.take_lane(writer, _LANE)
        process = start("bridge.cli", "rules", "--config", configuration, stderr=subprocess.DEVNULL)
        try:
            sent: dict[int, float] = {}
            await _write(writer, tags, len(tags) * _BATCHES_S, 1 / _BATCHES_S, {})
            while not await _read_so_far(watcher):  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(0.1)
            watching = asyncio.create_task(_watch(watcher, sent))
            took_s, rows = await _write(writer, tags, rate, seconds, sent, after=1)
            lags = await asyncio.wait_for(watching, 120)
            used_s = cpu_s(process.pid)
            memory_mb = rss_mb(process.pid)
        finally:
            process.terminate()
            process.wait()
    ordered = sorted(lags)
    return {
        "readings_s": rows / took_s,
        "ruled_readings_s": rows / took_s / _TAGS,
        **{f"p{p}_ms": 1000 * ordered[int(len(ordered) * p / 100)] for p in (50, 95, 99)},
        "most_ms": 1000 * ordered[-1],
        "process_cpu_share": used_s / took_s,
        "process_mb": memory_mb,
    }


async def _write(
    connection: Connection,
    tags: list[tuple[int, TagKey]],
    rate: int,
    seconds: float,
    sent: dict[int, float],
    after: int = 0,
) -> tuple[float, int]:
    """Write batches at a rate, as the bridge does, numbered after one; returns how long it took and how many readings they had."""
    per_batch = rate // _BATCHES_S
    began, count = time.monotonic(), int(seconds * _BATCHES_S)
    for seq in range(after + 1, after + count + 1):
        await asyncio.sleep(max(0.0, began + (seq - after) / _BATCHES_S - time.monotonic()))
        now = datetime.now(UTC)
        us, start = microseconds(now), seq * per_batch
        rows = [
            (tag_id, Reading(key, us + n, 0, 1.0 + (start + n) % 30 / 10, None, 0))
            for n in range(per_batch)
            for tag_id, key in (tags[(start + n) % len(tags)],)
        ]
        async with connection.transaction():
            await reading.copy(connection, _LANE, seq, rows)
            await reading.insert_batch(
                connection, lane=_LANE, seq=seq, source=_SOURCE, received_at=now, rows=per_batch, duplicates=0,
                span=(now, now + timedelta(microseconds=per_batch)),
            )  # fmt: skip
        sent[seq] = time.monotonic()
    took_s = time.monotonic() - began
    sent[0] = after + count  # the last one's number: the watcher is done when it was read
    return took_s, count * per_batch


async def _watch(connection: Connection, sent: dict[int, float]) -> list[float]:
    """How long each batch waited until it was read, but for those of the first seconds."""
    found: list[float] = []
    seen, warm = 0, int(_WARM_UP_S * _BATCHES_S)
    while True:
        newest, now = await _read_so_far(connection), time.monotonic()
        found += [now - sent[seq] for seq in range(seen + 1, newest + 1) if seq in sent and seq > warm]
        seen = max(seen, newest)
        if seen and seen == sent.get(0):
            return found
        await asyncio.sleep(0.02)


async def _read_so_far(connection: Connection) -> int:
    row = await (await connection.execute(_QUERIES.read_so_far)).fetchone()
    return int(row["read"] or 0) if row else 0


async def _reload(dsn: str, folder: Path, count: int) -> dict[str, Any]:
    from rules.engine.follow import Follower
    from rules.rulebook import load_rules

    def texts(limit: float, changed: int) -> list[str]:
        return [
            RULE.format(
                id=f"r{n}", for_each=f'{{equipment: "acme/bench/area/line/m{n % _ASSETS}"}}', tag=f"t{n // _ASSETS}",
                limit=limit if n < changed else 7.1,
            )
            for n in range(count)
        ]  # fmt: skip

    file = rule_file(folder, texts(7.1, 0))
    settings = Settings.model_validate(
        {"plant": {"name": "bench"}, "database": {"dsn": dsn}, "rules": {"files": [str(file)]}}
    )
    names = range(-(-count // _ASSETS))
    keys = [TagKey(f"acme/bench/area/line/m{a}", f"t{t}") for a in range(_ASSETS) for t in names]
    async with connected(dsn, "bench") as connection:
        tags = await _register(connection, keys)
        wall, cpu = time.monotonic(), time.process_time()
        follower = Follower(settings, load_rules([str(file)]))
        read_s, read_cpu_s = time.monotonic() - wall, time.process_time() - cpu
        await follower.open(connection, datetime.now(UTC))
        sent: dict[int, float] = {}
        await _write(connection, tags, len(tags) * _BATCHES_S, 1 / _BATCHES_S, sent)
        while await follower.step(connection, datetime.now(UTC)):
            pass
        found = {}
        for name, changed in (("one_s", 1), ("all_s", count)):
            rule_file(folder, texts(7.2 if name == "one_s" else 7.3, changed))
            wall = time.monotonic()
            await follower.reload(connection, load_rules([str(file)], known=follower.rulebook), datetime.now(UTC))
            found[name] = time.monotonic() - wall
    return {"rules": count, "read_s": read_s, "read_cpu_s": read_cpu_s, **found}


async def _register(connection: Connection, keys: list[TagKey]) -> list[tuple[int, TagKey]]:
    specs = [TagSpec(key, "number", "", TagKind.GAUGE, _SOURCE, key.name) for key in keys]
    tags = await tag.register(connection, _SOURCE, specs)
    return [(tags[key].id, key) for key in keys]
