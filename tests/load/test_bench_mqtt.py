"""The bench measures what it says, on the real bridge: its fields are there, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]
RUN = ["--messages", "4000", "--runs", "1", "--rate-seconds", "2", "--outage-seconds", "3"]


async def test_a_short_bench_gives_every_figure_and_loses_nothing(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bridge.cli", "bench", "mqtt", "--json", str(file), *RUN]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    assert await process.wait() == 0
    figures = json.loads(file.read_bytes())
    assert set(figures) == {"one_per_message", "hundred_per_message", "commit_ms", "outage"}
    assert {"durable_msg_s", "receive_limit_msg_s", "stock_paho_msg_s"} < set(figures["one_per_message"])
    assert {"durable_readings_s", "copy_limit_rows_s"} < set(figures["hundred_per_message"])
    assert {rate: set(ms) for rate, ms in figures["commit_ms"].items()} == {
        "rate_1000": {"p50", "p95", "p99"},
        "rate_5000": {"p50", "p95", "p99"},
    }
    outage = figures["outage"]
    assert (outage["lost"], outage["stored_twice"]) == (0, 0)
    assert outage["rss_before_mb"] > 0 < outage["rss_peak_mb"]
