"""The demonstration as a user runs it, while somebody kills its processes: the ledgers of plant, database and ERP agree."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

PRODUCTION_S = 45  # long enough for the bearing's fault
VICTIMS = ("bridge", "rules", "relay")


def children(parent: int) -> dict[str, int]:
    """The pids of the processes that a demonstration started, by the name of their subcommand."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            status = (entry / "status").read_text()
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and b"bridge.cli" in command:
            found[command[command.index(b"bridge.cli") + 1].decode()] = int(entry.name)
    return found


@pytest.mark.timeout(300)
async def test_ledgers_agree_though_bridge_rules_and_relay_are_killed(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "bridge.cli", "demo", "--duration", str(PRODUCTION_S), "--report", str(report)]
    demo = await asyncio.create_subprocess_exec(
        *command, "--port", "0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert demo.stdout is not None
    output, kills = "", dict.fromkeys(VICTIMS, 0)
    # Each line of status is a chance to kill: the demonstration prints one at its start and then every ten seconds.
    async for line in demo.stdout:
        output += line.decode()
        if line.startswith(b"readings "):
            for name, pid in children(demo.pid).items():
                if name in VICTIMS:
                    os.kill(pid, signal.SIGKILL)
                    kills[name] += 1
    assert await demo.wait() == 0, output
    figures = json.loads(report.read_text())
    assert figures["agrees"]
    assert all(kills.values())
    assert figures["readings_sent"] == figures["readings_stored"] + figures["dead_letters"]
    assert figures["good_made"] == figures["good_counted"] == figures["good_posted"] > 0
    assert figures["scrap_made"] == figures["scrap_counted"] == figures["scrap_posted"] > 0
    assert figures["faults"] == figures["tickets"] == 1
    assert figures["dead_letters"] > 0
    assert figures["message_to_browser_ms"]["p50"] > 0
    assert not [pid for name, pid in children(demo.pid).items() if name]


@pytest.mark.timeout(120)
async def test_interrupt_ends_the_demonstration_and_leaves_nothing_behind() -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.cli", "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert demo.stdout is not None
    family: set[int] = set()
    async for line in demo.stdout:
        if line.startswith(b"readings ") and not family:
            family = descendants(demo.pid)
            assert len(family) > 8  # database, broker, plant, ERP, four processes
            demo.send_signal(signal.SIGINT)
    assert await demo.wait() == 0
    assert not family & everybody()


def everybody() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def descendants(parent: int) -> set[int]:
    found = {parent}
    while True:
        more = {int(e.name) for e in Path("/proc").iterdir() if e.name.isdecimal() and parent_of(e) in found} - found
        if not more:
            return found - {parent}
        found |= more


def parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
