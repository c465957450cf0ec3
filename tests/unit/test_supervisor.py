"""Children are started again when they end, and none outlives its supervisor. Real processes, told apart by their pids."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from bridge.cli.supervisor import Child, supervise

SLEEPER = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)",
]


async def pids(log: Path, count: int) -> list[int]:
    """The pids that the child wrote, once there are `count`."""
    while True:
        if len(found := written(log)) >= count:
            return found
        await asyncio.sleep(0.02)


def written(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


async def until_gone(pid: int) -> None:
    """Wait for the end of a process; the suite's time limit bounds it."""
    while True:
        if not lives(pid):
            return
        await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


async def test_child_that_was_killed_is_started_again_and_ended_at_the_stop(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEPER, log_file=tmp_path / "log")
    stop = asyncio.Event()
    running = asyncio.create_task(supervise([child], stop))
    [first] = await pids(tmp_path / "log", 1)
    os.kill(first, signal.SIGKILL)
    _, second = await pids(tmp_path / "log", 2)
    stop.set()
    await running
    assert child.starts == 2
    assert not lives(second)


async def test_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    child = Child("stubborn", STUBBORN, log_file=tmp_path / "log")
    await child.start()
    [pid] = await pids(tmp_path / "log", 1)
    await child.end(patience_s=0.2)
    assert not lives(pid)


async def test_child_does_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import asyncio, pathlib, sys\n"
        "from bridge.cli.supervisor import Child, supervise\n"
        f"child = Child('sleeper', {SLEEPER!r}, log_file=pathlib.Path({str(log)!r}))\n"
        "asyncio.run(supervise([child], asyncio.Event()))\n"
    )
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    [pid] = await pids(log, 1)
    supervisor.kill()
    await supervisor.wait()
    await until_gone(pid)
