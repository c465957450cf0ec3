"""`amor demo` from start to end: servers, plant, processes, what is shown meanwhile, and the ledgers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bridge.cli.demo.ending import settle
from bridge.cli.demo.ledger import percentiles, print_report, report, write_report
from bridge.cli.demo.options import DemoOptions
from bridge.cli.demo.probe import FeedProbe
from bridge.cli.demo.servers import private_servers
from bridge.cli.demo.stage import LOGIN, Stage
from bridge.cli.demo.status import show_status
from bridge.cli.logs import set_up_logs
from bridge.cli.signals import stop_on_signals
from bridge.store.embedded import data_folder

_ENDED: Final = 130


def run_demo(options: DemoOptions, out: Console) -> int:
    """Run the demonstration; returns the exit code: 0 ledgers agree (or ended by Ctrl-C), 1 they differ."""
    try:
        return asyncio.run(_run(options, out))
    except KeyboardInterrupt:
        return _ENDED


async def _run(options: DemoOptions, out: Console) -> int:
    stop = stop_on_signals(asyncio.get_running_loop())
    began = time.monotonic()
    with data_folder(options.keep) as folder:
        demo = asyncio.create_task(_demo(options, folder, out, stop, began))
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({demo, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not demo.done():
            out.print("ending ...")
            demo.cancel()
            with suppress(asyncio.CancelledError):
                await demo
            return 0 if options.duration_s is None else _ENDED
        return demo.result()


async def _demo(options: DemoOptions, folder: Path, out: Console, stop: asyncio.Event, began: float) -> int:
    (folder / "logs").mkdir(exist_ok=True)
    set_up_logs("demo")
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(private_servers(folder, out))
        stage = await Stage.build(options, folder, servers)
        await stack.enter_async_context(_running(stage, out))
        out.print(f"[green]✓[/] live after {time.monotonic() - began:.0f} s")
        out.print(
            f"\n   control tower  [bold]{stage.url}[/]\n   log in as      [bold]{LOGIN}[/] / [bold]{stage.password}[/]\n"
        )
        probe = FeedProbe(stage.url, LOGIN, stage.password)
        follower = asyncio.create_task(probe.run())
        stack.callback(follower.cancel)
        if options.duration_s is None:
            out.print(
                "Ctrl-C ends it and leaves nothing behind."
                if not options.keep
                else f"Ctrl-C ends it; data stays in {folder}."
            )
            await show_status(stage, out, stop.wait())
            return 0
        await show_status(stage, out, stage.plant_finished())
        return await _close_the_books(options, stage, probe, out)


@asynccontextmanager
async def _running(stage: Stage, out: Console) -> AsyncIterator[None]:
    try:
        await stage.start(out)
        yield
    finally:
        await stage.end()


async def _close_the_books(options: DemoOptions, stage: Stage, probe: FeedProbe, out: Console) -> int:
    out.print("production ended; waiting until everything has arrived ...")
    database, late = await settle(stage, out)
    plant, erp = stage.plant_truth(), await stage.erp_truth()
    figures: dict[str, Any] = report(
        plant,
        database,
        erp,
        commit_ms=late,
        browser_ms=percentiles(probe.late_ms),
        restarts=stage.restarts(),
    )
    print_report(figures, out)
    if options.report:
        write_report(figures, options.report)
        out.print(f"written: {options.report}")
    return 0 if figures["agrees"] else 1
