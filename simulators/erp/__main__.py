"""Run the simulated ERP: `python -m simulators.erp --help`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from simulators.erp import trade
from simulators.erp.failures import Failures
from simulators.erp.http import Erp, build_app
from simulators.erp.store import Store
from simulators.truthfile import write_atomically


@dataclass(frozen=True, slots=True)
class ErpSettings:
    """What the command line sets."""

    host: str
    port: int
    folder: Path
    seed: int
    key: str
    database: str
    truth: Path | None
    orders_per_line: int
    quantity: tuple[int, int]
    release_every_s: float
    ship_every_s: float
    fail: float
    hold_s: float


MOST_OPEN_ORDERS = 40


def _now() -> datetime:
    return datetime.now(UTC)


class _QuietServer(uvicorn.Server):
    """Leaves signals to this program, so that it ends with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: ErpSettings) -> None:
    """Serve until a signal."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    store = Store(settings.folder / "erp.sqlite")
    failures = Failures(settings.seed, settings.fail, settings.hold_s)
    erp = Erp(store, failures, settings.key, settings.database, _now)
    with store.transaction():
        trade.found(store, settings.seed, settings.orders_per_line, settings.quantity, _now())
    server = _QuietServer(
        uvicorn.Config(
            build_app(erp),
            settings.host,
            settings.port,
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    _report({"event": "erp started", "host": settings.host, "port": settings.port})
    async with asyncio.TaskGroup() as group:
        business = [
            group.create_task(_release(store, settings)),
            group.create_task(_ship(store, settings)),
            group.create_task(_write_truth(erp, settings.truth)),
        ]
        await server.serve()
        for task in business:
            task.cancel()
    if settings.truth is not None:
        write_atomically(settings.truth, erp.truth())
    store.close()
    _report({"event": "erp stopped"})


async def _release(store: Store, settings: ErpSettings) -> None:
    """Keep enough orders open, and release some even where nobody reports them done."""
    level, last = settings.orders_per_line, _now()
    while True:
        await asyncio.sleep(1)
        if (_now() - last).total_seconds() >= settings.release_every_s:
            level, last = min(level + 1, MOST_OPEN_ORDERS), _now()
        with store.transaction():
            trade.keep_open(store, settings.seed, level, settings.quantity, _now())


async def _ship(store: Store, settings: ErpSettings) -> None:
    rng = random.Random(f"{settings.seed}:shipping")
    while True:
        await asyncio.sleep(settings.ship_every_s * rng.uniform(0.67, 1.33))
        with store.transaction():
            trade.ship_next(store, settings.seed, _now())


async def _write_truth(erp: Erp, path: Path | None) -> None:
    while path is not None:
        write_atomically(path, erp.truth())
        await asyncio.sleep(1)


def _report(event: dict[str, object]) -> None:
    print(json.dumps(event), flush=True)  # noqa: T201  # a program that speaks to people


def _quantity(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    quantity = int(least), int(most or least)
    if not 1 <= quantity[0] <= quantity[1]:
        raise ValueError(text)
    return quantity


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="simulators.erp", description="A simulated ERP (Odoo 19, JSON-2).")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default loopback)")
    add("--port", type=int, default=8069, help="port (default 8069)")
    add("--data", type=Path, required=True, dest="folder", help="folder of its database, kept over restarts")
    add("--seed", type=int, default=7, help="same seed, same business (default 7)")
    add("--key", default=os.environ.get("AMOR_SIMULATED_ERP_KEY", "simulated-key"), help="its API key")
    add("--database", default="acme", help="its database name (default acme)")
    add("--truth", type=Path, help="JSON file of what was booked, rewritten every second")
    add("--orders-per-line", type=int, default=6, help="open orders kept for each line (default 6)")
    add("--quantity", type=_quantity, default=(12, 20), help="pieces of an order, least-most (default 12-20)")
    add(
        "--release-every",
        type=float,
        default=60.0,
        dest="release_every_s",
        help="seconds after which each line gets one open order more, up to 40 (default 60)",
    )
    add("--ship-every", type=float, default=15.0, dest="ship_every_s", help="seconds between shipments (default 15)")
    add("--fail", type=float, default=0.0, help="share of posting calls that fail in some way (default 0)")
    add("--hold", type=float, default=20.0, dest="hold_s", help="seconds that a request is held in a timeout")
    asyncio.run(run(ErpSettings(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
