"""`amor servers`: a private database and broker to try amor with, until Ctrl-C.

<folder>/dsn           what `[database] dsn = { file = "<folder>/dsn" }` reads
<folder>/mqtt_url      the same for the `url` of a source
<folder>/database, <folder>/broker     their data and logs, found again by the next start, at the same ports
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from rich.console import Console

from bridge.cli.demo.servers import Servers, private_servers
from bridge.cli.signals import stop_on_signals
from bridge.store.embedded import data_folder

_WORDS: Final = """\
For amor.toml, beside this folder:

   [database]
   dsn = {{ file = "{folder}/dsn" }}

   [[source]]
   url = {{ file = "{folder}/mqtt_url" }}      # {mqtt_url}

Ctrl-C ends both; what they hold stays in {folder}."""


def run_servers(folder: Path, out: Console) -> None:
    """Run the servers until SIGINT or SIGTERM. Raises SetupError."""
    asyncio.run(_run(folder, out))


async def _run(keep: Path, out: Console) -> None:
    stop = stop_on_signals(asyncio.get_running_loop())
    with data_folder(keep) as folder:
        async with private_servers(folder, out) as servers:
            _tell(servers, folder)
            out.print(_WORDS.format(folder=keep, mqtt_url=servers.mqtt_url), markup=False, soft_wrap=True)
            await stop.wait()


def _tell(servers: Servers, folder: Path) -> None:
    """The addresses, one a file; that of the database has its password, so its file is its owner's alone."""
    for name, address in (("dsn", servers.dsn), ("mqtt_url", servers.mqtt_url)):
        file = folder / name
        file.touch(0o600)
        file.write_text(f"{address}\n")
