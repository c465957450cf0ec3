"""The demonstration's whole cast on servers of its own, and the hand that kills it: every process, the database, the broker."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from rich.console import Console

from bridge.cli.demo.ending import settle
from bridge.cli.demo.ledger import print_report, report
from bridge.cli.demo.options import DemoOptions
from bridge.cli.demo.servers import Servers
from bridge.cli.demo.stage import Stage
from bridge.cli.supervisor import Child
from bridge.store.database import connected
from bridge.store.embedded import Installation, PrivateBroker, PrivateDatabase, free_port
from bridge.store.ledger import stored_by_source

PAUSE_S: Final = (1.0, 3.0)
_AWAY_S: Final = 2.0  # the longest time that a server stays away before it is started again

Blow = Callable[[], Awaitable[None]]


@dataclass
class WholeSystem:
    """A running demonstration and its servers. The plant is never killed: its truth is what the ledgers are held against."""

    stage: Stage
    database: PrivateDatabase
    broker: PrivateBroker
    chance: random.Random
    out: Console

    def processes(self) -> dict[str, Blow]:
        """kill -9 of each process of ours and of the ERP; their keepers start them again."""
        return {child.name: lambda child=child: _kill(child) for child in (*self.stage.own, self.stage.erp)}

    async def kill_database(self) -> None:
        """kill -9 of the database, which comes back at the same address."""
        await asyncio.to_thread(self.database.kill)
        await self._come_back(self.database)

    async def kill_broker(self) -> None:
        """kill -9 of the broker: what it has acknowledged since its last autosave and not yet delivered is lost."""
        await asyncio.to_thread(self.broker.kill)
        await self._come_back(self.broker)

    async def restart_broker(self) -> None:
        """End the broker in order: it writes its store on its way out."""
        await asyncio.to_thread(self.broker.stop)
        await self._come_back(self.broker)

    async def strike(self, blows: Mapping[str, Blow]) -> Counter[str]:
        """Strike at random, every one to three seconds, until the plant has halted and all of its messages are handed over."""
        struck: Counter[str] = Counter()
        production = asyncio.create_task(self.stage.plant_finished())
        while not production.done():
            name = self.chance.choice(sorted(blows))
            await blows[name]()
            struck[name] += 1
            await asyncio.wait({production}, timeout=self.chance.uniform(*PAUSE_S))
        await production
        return struck

    async def close_the_books(self, patience_s: float) -> dict[str, Any]:
        """The ledgers when nothing is under way any more, at the latest after `patience_s`; with what differs per source."""
        ledger, late = await settle(self.stage, self.out, patience_s)
        plant, erp = self.stage.plant_truth(), await self.stage.erp_truth()
        figures = report(plant, ledger, erp, commit_ms=late, browser_ms=None, restarts=self.stage.restarts())
        print_report(figures, self.out)
        async with connected(self.database.dsn, "chaos") as connection:
            stored = await stored_by_source(connection)
        return {**figures, "sent_by_source": plant["readings_by_source"], "stored_by_source": stored}

    async def gaps(self, source: str) -> int:
        """How many rows tell of time in which `source` was not heard."""
        query = "select count(*) as n from gap where source = %s"
        async with connected(self.database.dsn, "chaos") as connection:
            row = await (await connection.execute(query, (source,))).fetchone()
        return int(row["n"]) if row else 0

    async def _come_back(self, server: PrivateDatabase | PrivateBroker) -> None:
        await asyncio.sleep(self.chance.uniform(0, _AWAY_S))
        await asyncio.to_thread(server.start)


@asynccontextmanager
async def whole_system(
    installation: Installation, folder: Path, chance: random.Random, *, production_s: float, autosave_s: int
) -> AsyncIterator[WholeSystem]:
    """Start everything in `folder`, which has a folder `logs`; end it all at the end of the block."""
    out = Console(width=140)
    options = DemoOptions(production_s, None, None, free_port(), chance.randrange(1000), 0.1)
    with (
        patch.dict(os.environ),  # the stage's addresses and secrets go with it
        PrivateDatabase(installation, folder / "database") as database,
        PrivateBroker(installation, folder / "broker", autosave_s=autosave_s) as broker,
    ):
        stage = await Stage.build(options, folder, Servers(database.dsn, broker.url))
        try:
            await stage.start(out)
            yield WholeSystem(stage, database, broker, chance, out)
        finally:
            await stage.end()


async def _kill(child: Child) -> None:
    if child.process is not None and child.process.returncode is None:
        os.kill(child.process.pid, signal.SIGKILL)
        await child.process.wait()
