"""The rule files while the process runs: a changed file is read anew, by itself or on SIGHUP; one with mistakes changes nothing.

What was read waits here until the engine has come to the end of a step and takes it over.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from bridge.errors import ConfigError
from bridge.store import rule
from bridge.store.database import Connection
from rules.rulebook import load_rules
from rules.rulebook.model import Rulebook

log = structlog.get_logger()

_LOOK_EVERY_S: Final = 2.0

_Seen = tuple[
    tuple[int, int, int] | None, ...
]  # inode, size and time of change of each file, None where it is not there


class RuleFiles:
    """The files of the configuration and what they last said; `fresh` is a rulebook that nobody took over yet."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = list(files)
        self.fresh: Rulebook | None = None
        self._read: Rulebook | None = None
        self._asked = asyncio.Event()
        self._seen = _look(self.files)

    def read(self) -> Rulebook:
        """What the files say now. Raises ConfigError with every mistake."""
        self._seen = _look(self.files)
        self._read = load_rules(self.files, self._read)  # only rules whose text has changed are read anew
        return self._read

    def ask(self) -> None:
        """Have the files read again, whether they look changed or not."""
        self._asked.set()

    def listen(self) -> None:
        """Let SIGHUP ask. Only the main thread of a process hears signals; elsewhere the files are looked at all the same."""
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.ask)

    async def keep(self, connection: Connection, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Read the files when they change, until `stop`; sets `wake` when there is something to take over."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _LOOK_EVERY_S)
            is_asked = self._asked.is_set()
            self._asked.clear()
            if is_asked or await asyncio.to_thread(_look, self.files) != self._seen:
                await self._take(connection)
                wake.set()

    async def _take(self, connection: Connection) -> None:
        try:
            self.fresh = await asyncio.to_thread(self.read)
        except ConfigError as error:
            for problem in error.problems:
                log.error("rule file has a mistake, the rules go on as they are", mistake=str(problem))  # noqa: TRY400  # a mistake of the file, no trace helps
            problems = [asdict(problem) for problem in error.problems]
            await rule.record_load(connection, datetime.now(UTC), 0, problems)


def _look(files: Sequence[str]) -> _Seen:
    return tuple(_look_at(Path(file)) for file in files)


def _look_at(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
