"""The bench measures what it says, on the real bridge: its fields are there, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import time
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


def test_a_bench_that_is_killed_leaves_no_process_behind():
    command = [sys.executable, "-m", "bridge.cli", "bench", "mqtt", "--only", "commit_ms", "--rate-seconds", "60"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as bench:
        try:
            children = _children_with(bench.pid, "bridge.cli.bench.publisher")
        finally:
            bench.kill()
    assert len(children) >= 4  # bridge, publisher, database, broker
    for child in children:
        assert select.select([child], [], [], 60)[0]  # readable: it has ended
        os.close(child)


def _children_with(parent, word):
    """Handles of the child processes, as soon as one of them has a word in its command. The test's time limit bounds it."""
    while True:
        found = list(_children(parent))
        if any(word in words for _, words in found):
            return [os.pidfd_open(pid) for pid, _ in found]
        time.sleep(0.05)  # the kernel does not tell of a child's children


def _children(parent):
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(entry.name), (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue  # it has ended
