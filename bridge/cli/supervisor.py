"""Child processes: started, started again when they end, ended in order; none outlives this process, however it ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

_PR_SET_PDEATHSIG: Final = 1
_PATIENCE_S: Final = 8.0
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_S: Final = 30.0

_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends SIGTERM to the child when its parent is gone, also by kill -9 (Linux)."""

    def ask_kernel() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


@dataclass
class Child:
    """A program that is to run. `log_file` None lets it write where this process writes."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    async def start(self) -> None:
        """Start it in a session of its own, so that the terminal's Ctrl-C reaches only this process."""
        output = self.log_file.open("ab") if self.log_file else None
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),
            )
        finally:
            if output:
                output.close()
        self.starts += 1

    async def end(self, patience_s: float = _PATIENCE_S) -> None:
        """SIGTERM, then SIGKILL after `patience_s` seconds."""
        if self.process is None or self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), patience_s)
        except TimeoutError:
            log.warning("child did not end in time", child=self.name, patience_s=patience_s)
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def keep_running(self) -> None:
        """Start it, and again whenever it ends, at growing intervals while it does not stay up."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.start()
            assert self.process is not None, "start sets the process"
            code = await self.process.wait()
            failures = 0 if loop.time() - began > _STEADY_S else failures + 1
            pause = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else 0.0
            log.warning("child ended, starting it again", child=self.name, code=code, pause_s=pause)
            await asyncio.sleep(pause)


async def supervise(children: Sequence[Child], stop: asyncio.Event) -> None:
    """Keep all children running until `stop`, then end them, last first."""
    try:
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(child.keep_running()) for child in children]
            await stop.wait()
            for keeper in keepers:
                keeper.cancel()
    finally:
        await asyncio.gather(*(child.end() for child in reversed(children)))


def amor_command(*arguments: str) -> list[str]:
    """The command line of another `amor` of this same installation."""
    return [sys.executable, "-m", "bridge.cli", *arguments]
