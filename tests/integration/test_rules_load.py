"""How far the engine is behind at 5 000 readings a second. Its numbers mean something on an idle machine only."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.model.equipment import TagKind
from bridge.model.reading import Reading, TagKey, TagSpec, microseconds
from bridge.store import reading, tag
from bridge.store.database import connect
from tests.integration.rules_bench import RULES, open_bench
from tests.integration.test_rules_crash import spawn

BATCH_ROWS, BATCHES_PER_S, SECONDS = 100, 50, 15
ASSETS, TAGS = 50, 10


@pytest.mark.load
@pytest.mark.timeout(180)
@pytest.mark.parametrize("ruled", [1, 10])
async def test_engine_follows_5000_readings_a_second(database_dsn: str, tmp_path: Path, ruled: int, capsys):
    """`ruled` of each asset's 10 tags have a rule of two levels: a tenth of the readings, and all of them."""
    head = RULES[: RULES.index("- id")]
    rule = RULES[RULES.index("- id: vibration") : RULES.index("- id: finished")].replace(
        "{equipment_class: cnc_spindle}", "{}"
    )
    rules = head + "".join(
        rule.replace("id: vibration", f"id: r{n}").replace("spindle.vib_rms", f"t{n}") for n in range(ruled)
    )
    async with open_bench(
        database_dsn, tmp_path, rules=rules.replace("[v, spindle.rpm]", "[v]"), lateness_ms=500
    ) as bench:
        keys = [TagKey(f"acme/dortmund/machining/line1/m{a}", f"t{t}") for a in range(ASSETS) for t in range(TAGS)]
        specs = [TagSpec(key, "number", "mm/s", TagKind.GAUGE, "line1", key.name) for key in keys]
        tags = await tag.register(bench.connection, "line1", specs)
        await bench.engine_connection.close()
        process = spawn(bench)
        watcher = await connect(database_dsn, "watch")
        sent: dict[int, float] = {}
        read_lag: list[float] = []
        done_lag: list[float] = []

        async def watch() -> None:
            query = b"select c.seq, (s.state->'read'->>'1')::bigint as read from lane_cursor c, rule_state s where s.rule_id = '@clock' and c.lane = 1"
            while True:
                row = await (await watcher.execute(query)).fetchone()
                now = time.monotonic()
                if row and row["read"]:
                    read_lag.append(now - sent.get(row["read"] + 1, now))
                    done_lag.append(now - sent.get(row["seq"] + 1, now))
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        began = time.monotonic()
        for seq in range(1, SECONDS * BATCHES_PER_S + 1):
            await asyncio.sleep(max(0.0, began + seq / BATCHES_PER_S - time.monotonic()))
            now = datetime.now(UTC)
            us = microseconds(now)
            rows = [(tags[key].id, Reading(key, us + n, 0, 1.0 + (seq * n) % 40 / 10, None, 0))
                    for n in range(BATCH_ROWS) for key in [keys[(seq * BATCH_ROWS + n) % len(keys)]]]  # fmt: skip
            async with bench.connection.transaction():
                await reading.copy(bench.connection, 1, seq, rows)
                await reading.insert_batch(bench.connection, lane=1, seq=seq, source="line1", received_at=now, rows=len(rows),
                                           duplicates=0, span=(now, now + timedelta(microseconds=BATCH_ROWS)))  # fmt: skip
            sent[seq] = time.monotonic()
        written_s = time.monotonic() - began
        watching.cancel()
        cpu = Path(f"/proc/{process.pid}/stat").read_text().split()  # noqa: ASYNC240  # no disk is behind it
        (int(cpu[13]) + int(cpu[14])) / os.sysconf("SC_CLK_TCK")
        await bench.one("select count(*) from alarm")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        await watcher.close()
    for lags in (read_lag, done_lag):
        lags.sort()

    def shown(lags: list[float]) -> str:
        return ", ".join(f"p{p} {1000 * lags[int(len(lags) * p / 100)]:.0f} ms" for p in (50, 95, 99))

    with capsys.disabled():
        rate = SECONDS * BATCHES_PER_S * BATCH_ROWS / written_s
    assert rate > 4900
    assert read_lag[int(len(read_lag) * 0.95)] < 1
