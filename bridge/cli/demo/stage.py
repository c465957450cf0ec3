"""Everything that runs in the demonstration besides the servers: the plant, the ERP, and the system's own processes."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import orjson
import psycopg
from rich.console import Console

from bridge.cli.demo.options import DemoOptions
from bridge.cli.demo.servers import Servers
from bridge.cli.supervisor import Child
from bridge.cli.up import add_account, prepare_database, processes
from bridge.config import Settings, load_settings
from bridge.errors import SetupError
from bridge.store import source_state
from bridge.store.database import connected
from bridge.store.embedded import free_port
from bridge.store.ledger import Ledger, active_rules, read_ledger

LOGIN: Final = "demo"
_TOWER_PORT: Final = 8050
_ERP_HOLDS_S: Final = 4  # longer than the connector waits
_SHIFT: Final = timedelta(hours=8)
_READY_S: Final = 60.0
_LOOK_S: Final = 0.1


@dataclass
class Stage:
    """The cast of one demonstration, built from its options; `start` and `end` run it."""

    options: DemoOptions
    folder: Path
    settings: Settings
    config: Path
    url: str
    password: str
    erp: Child
    plant: Child
    own: list[Child]
    keepers: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def build(cls, options: DemoOptions, folder: Path, servers: Servers) -> Stage:
        """Choose ports and secrets, and write the configuration where a person may read it."""
        environment = _environment(options, servers)
        os.environ.update(environment)
        config = _copy_configuration(folder)
        settings = load_settings(config)
        logs = folder / "logs"
        erp = Child("erp", _simulator("erp", **_erp_arguments(options, folder, environment)), log_file=logs / "erp.log")
        plant = Child(
            "plant", _simulator("plant", **_plant_arguments(options, folder, environment)), log_file=logs / "plant.log"
        )
        url = f"http://{settings.dashboard.host}:{settings.dashboard.port}"
        return cls(
            options, folder, settings, config, url, secrets.token_urlsafe(6), erp, plant, processes(config, logs)
        )

    async def start(self, out: Console) -> None:
        """Start all in an order in which nothing is lost: the bridge holds its subscriptions before the plant speaks."""
        await prepare_database(self.settings)
        await add_account(self.settings, LOGIN, self.password, "operator")
        out.print("[green]✓[/] database migrated")
        self.keepers = [asyncio.create_task(child.keep_running()) for child in (self.erp, *self.own)]
        await self._until(self._erp_answers, "the ERP simulator", self.erp)
        await self._until(self._bridge_is_subscribed, "the bridge", self.own[0])
        await self._until(self._rules_are_active, "the rule engine", self.own[1])
        await self._until(self._tower_is_ready, "the control tower", self.own[-1])
        out.print("[green]✓[/] bridge, rules, relay and control tower running")
        await self.plant.start()
        await self._until(self._plant_speaks, "the plant simulator", self.plant)
        out.print("[green]✓[/] plant running: six machines, MQTT and OPC UA")

    async def end(self) -> None:
        """End all: the plant first, then those that follow it."""
        for keeper in self.keepers:
            keeper.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        await self.plant.end()
        await asyncio.gather(*(child.end() for child in (*self.own, self.erp)))

    async def plant_finished(self) -> None:
        """Wait until the plant has halted and every message of it was acknowledged by the broker."""
        while True:
            truth = self.plant_truth()
            if truth.get("finished") and truth.get("delivered"):
                return
            if self.plant.process and self.plant.process.returncode is not None:
                raise SetupError(f"the plant simulator ended by itself, see {self.plant.log_file}")
            await asyncio.sleep(_LOOK_S)

    def plant_truth(self) -> dict[str, Any]:
        """What the plant says happened so far; empty before it spoke."""
        with suppress(FileNotFoundError):
            truth: dict[str, Any] = orjson.loads((self.folder / "plant-truth.json").read_bytes())
            return truth
        return {}

    async def erp_truth(self) -> dict[str, Any]:
        """What the ERP's books say."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(os.environ["AMOR_ERP_URL"] + "/_truth")
            answer.raise_for_status()
            truth: dict[str, Any] = answer.json()
            return truth

    async def ledger(self) -> Ledger:
        """What the database says."""
        async with connected(self.settings.database.dsn.get_secret_value(), "demo") as connection:
            return await read_ledger(connection)

    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        return {child.name: child.starts - 1 for child in (*self.own, self.erp)}

    async def _until(self, is_ready: Any, what: str, child: Child) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError, psycopg.Error):
                if await is_ready():
                    return
            await asyncio.sleep(_LOOK_S)
        raise SetupError(
            f"{what} was not ready within {_READY_S:.0f} s; the end of {child.log_file}:\n{_tail(child.log_file)}"
        )

    async def _erp_answers(self) -> bool:
        return bool(await self.erp_truth())

    async def _bridge_is_subscribed(self) -> bool:
        async with connected(self.settings.database.dsn.get_secret_value(), "demo") as connection:
            brokers = [source.name for source in self.settings.source if source.type == "mqtt"]
            return all([await source_state.read(connection, name) for name in brokers])

    async def _rules_are_active(self) -> bool:
        async with connected(self.settings.database.dsn.get_secret_value(), "demo") as connection:
            return await active_rules(connection) > 0

    async def _tower_is_ready(self) -> bool:
        async with httpx.AsyncClient(timeout=2) as client:
            return (await client.get(self.url + "/ready")).status_code == httpx.codes.OK

    async def _plant_speaks(self) -> bool:
        return (await self.ledger()).stored > 0


def _environment(options: DemoOptions, servers: Servers) -> dict[str, str]:
    """The addresses and secrets that the demo's configuration takes from the environment."""
    erp_key = secrets.token_urlsafe(18)
    return {
        "AMOR_DATABASE_DSN": servers.dsn,
        "AMOR_MQTT_URL": servers.mqtt_url,
        "AMOR_OPCUA_URL": f"opc.tcp://127.0.0.1:{free_port()}",
        "AMOR_ERP_URL": f"http://127.0.0.1:{free_port()}",
        "AMOR_ERP_API_KEY": erp_key,
        "AMOR_SIMULATED_ERP_KEY": erp_key,
        "AMOR_DASHBOARD_PORT": str(options.port or tower_port()),
        **_shift(datetime.now(UTC)),
    }


def tower_port() -> int:
    """The control tower's own port where it is free, else another."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", _TOWER_PORT))
        except OSError:
            return free_port()
    return _TOWER_PORT


def _shift(now: datetime) -> dict[str, str]:
    """A shift that begins with the demonstration, so that plan and output speak of the same time."""
    local = now.astimezone(ZoneInfo("Europe/Berlin"))
    return {
        "AMOR_DEMO_SHIFT_START": f"{local:%H:%M:%S}",
        "AMOR_DEMO_SHIFT_END": f"{local + _SHIFT:%H:%M:%S}",
    }


def _copy_configuration(folder: Path) -> Path:
    for entry in files("simulators").joinpath("demo").iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    return folder / "amor.toml"


def _simulator(name: str, **arguments: object) -> list[str]:
    options = (text for key, value in arguments.items() for text in (f"--{key.replace('_', '-')}", str(value)))
    return [sys.executable, "-m", f"simulators.{name}", *options]


def _erp_arguments(options: DemoOptions, folder: Path, environment: dict[str, str]) -> dict[str, object]:
    return {
        "port": environment["AMOR_ERP_URL"].rsplit(":", 1)[1],
        "data": folder / "erp",
        "seed": options.seed,
        "fail": options.erp_failures,
        "hold": _ERP_HOLDS_S,
    }


def _plant_arguments(options: DemoOptions, folder: Path, environment: dict[str, str]) -> dict[str, object]:
    arguments: dict[str, object] = {
        "seed": options.seed,
        "mqtt_url": environment["AMOR_MQTT_URL"],
        "opcua_url": environment["AMOR_OPCUA_URL"],
        "erp_url": environment["AMOR_ERP_URL"],
        "truth": folder / "plant-truth.json",
    }
    if options.duration_s is not None:
        arguments["duration"] = options.duration_s
    return arguments


def _tail(file: Path | None, lines: int = 15) -> str:
    if file is None or not file.exists():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
