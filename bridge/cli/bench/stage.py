"""What every bench of the whole path needs: a private database, processes of our own that end with us, and a file for the figures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from bridge.cli.demo.progress import steps_on
from bridge.store.embedded import Installation, PrivateDatabase, data_folder, prepare
from bridge.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder that goes when the bench ends, the programs of the servers, and a database with our schema."""

    folder: Path
    installation: Installation
    database: PrivateDatabase


@contextmanager
def stage(out: Console) -> Iterator[Stage]:
    """Set up, with its progress shown; ends what it started."""
    with ExitStack() as stack:
        folder = stack.enter_context(data_folder())
        with steps_on(out) as report:
            installation = prepare(report)
            database = stack.enter_context(PrivateDatabase(installation, folder / "database", report=report))
        asyncio.run(migrate(database.dsn))
        yield Stage(folder, installation, database)


def start(module: str, *arguments: object, **options: Any) -> subprocess.Popen[Any]:
    """Start a module of ours with what Popen takes. The kernel ends it with us: a bench that is killed leaves nothing behind."""
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, **options)  # noqa: S603  # our own modules


def keep(figures: Mapping[str, Any], file: Path | None, out: Console) -> None:
    """Write the figures as JSON, where a file is named."""
    if file is not None:
        file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
        out.print(f"written: {file}")
