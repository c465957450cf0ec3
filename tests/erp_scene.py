"""A plant whose pieces went through a real relay into the simulated ERP, for what people see of it; some events need a person.

Run as a program it takes the picture of docs/pictures: python -m tests.erp_scene docs/pictures/erp-light.png
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from bridge.erp.odoo19 import Odoo19
from bridge.model.production import MaterialActual, event_id
from bridge.store import mending, outbox
from bridge.store.database import Connection, connected
from bridge.store.embedded import PrivateDatabase, data_folder, prepare
from bridge.store.migrate import migrate
from tests.dashboard_process import TowerProcess
from tests.erp_process import KEY, SimulatedErp
from tests.plant_seed import LOGIN, PASSWORD, Seed, apply, demo_settings
from tests.relay_process import relaying, until

CONNECTOR = """
[[connector]]
type = "odoo19"
name = "erp"
url = "{url}"
database = "acme"
auth = {{ type = "api_key", key = "{key}" }}
"""
LINE = "acme/dortmund/machining/line"


def connector_table(erp: SimulatedErp) -> str:
    """The tower's configuration of the simulated ERP."""
    return CONNECTOR.format(url=erp.url, key=KEY)


class Poster:
    """Counts pieces at the end of a line and writes their postings, as the rules do."""

    def __init__(self, seed: Seed, connection: Connection) -> None:
        self._seed = seed
        self._connection = connection
        self._counter = 4711
        self._posted: dict[str, tuple[int, Decimal]] = {}

    async def post(self, order: str, at: datetime, quantities: list[int], line: int = 1, **more: str) -> int:
        """A posting made of so many counts, a minute apart, the last of them at `at`; the event's number."""
        machine = f"insp{line}"
        first = at - timedelta(minutes=len(quantities) - 1)
        times = [first + timedelta(minutes=n) for n in range(len(quantities))]
        counts = [await self._counted(line, when, qty, order) for when, qty in zip(times, quantities, strict=True)]
        sequence, before = self._posted.get(order, (0, Decimal(0)))
        quantity = Decimal(sum(quantities))
        self._posted[order] = sequence + 1, before + quantity
        event = MaterialActual(
            event_id("wip_to_fg", order, sequence + 1), order, sequence + 1, at, quantity, before + quantity, "pcs",
            f"{LINE}{line}/{machine}",
        )  # fmt: skip
        event = replace(event, **more)
        made = await outbox.insert(
            self._connection,
            connector="erp",
            stream=order,
            kind="wip_to_fg",
            payload=event.payload(),
            key=str(event.event_id),
        )
        assert made is not None
        await self._connection.execute("update production_count set outbox_id = %s where id = any(%s)", (made, counts))
        return made

    async def _counted(self, line: int, at: datetime, qty: int, order: str) -> int:
        """A count, with the reading of the counter that told of it."""
        machine = f"insp{line}"
        at += timedelta(microseconds=self._counter)  # a counter says one thing at an instant
        count = self._seed.count(machine, at, qty, order=order, final=True)
        self._counter += qty
        tag = self._seed.tag(machine, "parts.good", kind="counter")
        self._seed.readings(line, [(tag, at, float(self._counter), 0)])
        await self._connection.execute(
            "update production_count set counter_from = %s, counter_to = %s where id = %s",
            (self._counter - qty, self._counter, count),
        )
        return count


async def shift(seed: Seed, dsn: str, connection: Connection, erp: SimulatedErp) -> None:
    """Some hours of postings that went well, one by hand in the ERP, and some that it refused. Needs a running relay."""
    now = datetime.now(UTC)
    poster = Poster(seed, connection)
    for n in range(14):
        at = now - timedelta(minutes=15 * (14 - n))
        await poster.post("MES-0001", at, [4, 5, 4, 5, 4])
        await poster.post("MES-0002", at + timedelta(minutes=4), [5, 5, 4], line=2)
    await until(dsn, lambda rows: all(row["state"] == "done" for row in rows))
    await connection.execute(
        "update outbox set created_at = (payload ->> 'occurred_at')::timestamptz,"
        " done_at = (payload ->> 'occurred_at')::timestamptz + interval '2 s'"
    )
    async with Odoo19(erp.settings()) as somebody:
        by_hand = MaterialActual(
            uuid4(), "MES-0002", 99, now, Decimal(6), Decimal(14 * 14 + 6), "pcs", f"{LINE}2/insp2"
        )
        for step in await somebody.plan(by_hand):
            await somebody.execute(step)
    typo = await poster.post("MES-2001", now - timedelta(minutes=47), [4, 5, 4])
    await poster.post("MES-2001", now - timedelta(minutes=31), [5, 5])
    await poster.post("MES-0003", now - timedelta(minutes=12), [5, 4, 5, 4], line=2, uom="kg")
    await until(dsn, lambda rows: sum(row["state"] == "parked" for row in rows) == 2)  # the two above
    await connection.execute(
        "update outbox set created_at = (payload ->> 'occurred_at')::timestamptz where state <> 'done'"
    )
    await mending.edit(connection, typo, {"location": "WH/Stock"}, "paul", "the pallet stands there")


async def look(page: Page, url: str) -> None:
    """Log in on the ERP page and wait until it is filled."""
    await page.goto(url + "/login?next=/erp")
    await page.get_by_label("Login").fill(LOGIN)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.locator(".connector .status .word", has_text="Running").wait_for()
    await page.locator('[data-live="attention"] li').first.wait_for()
    await page.locator('[data-live="erp-orders"] table').wait_for()
    await page.get_by_role("button", name="Compare erp now").click()
    await page.locator('[data-live="comparison"] table').wait_for()


async def _picture(dsn: str, folder: Path, pictures: list[Path]) -> None:
    await migrate(dsn)
    await apply(demo_settings(dsn), datetime.now(UTC))
    seed = Seed(dsn)
    async with SimulatedErp(folder / "erp", quantity="400") as erp, connected(dsn, "picture") as connection:
        tower = TowerProcess(dsn, folder, connector_table(erp))
        async with relaying(dsn, erp.settings()):
            await shift(seed, dsn, connection, erp)
            await asyncio.to_thread(tower.start)
            try:
                await _shoot(tower.url, seed, pictures)
            finally:
                tower.kill()
    seed.close()


def _speak(seed: Seed) -> None:
    """Something of both lines now, so that no source seems silent."""
    for line in (1, 2):
        seed.readings(line, [(seed.tag(f"saw{line}", "motor.temp", "Cel"), datetime.now(UTC), 52.0, 0)])


async def _shoot(url: str, seed: Seed, pictures: list[Path]) -> None:
    program = os.environ.get("AMOR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        for picture in pictures:
            theme = "dark" if "dark" in picture.stem else "light"
            width = 390 if "narrow" in picture.stem else 1500
            context = await browser.new_context(viewport={"width": width, "height": 950}, color_scheme=theme)
            page = await context.new_page()
            _speak(seed)
            await look(page, url)
            if "event" in picture.stem:
                await page.locator('[data-live="attention"]').get_by_role("button", name="Details").first.click()
                await expect(page.get_by_role("dialog")).to_be_visible()
                await page.get_by_role("dialog").get_by_role("button", name="Dry run").click()
                await expect(page.get_by_role("dialog").locator(".said .problem, .said ol")).to_be_visible()
            await page.screenshot(path=picture, full_page="narrow" in picture.stem)
            await asyncio.to_thread(_shrink, picture)
            await context.close()
        await browser.close()


def _shrink(picture: Path) -> None:
    """A page of few colours: a palette keeps it as it looks, in a third of the bytes."""
    Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    """Fill a private plant and take pictures of its ERP page: python -m tests.erp_scene FILE..."""
    pictures = [Path(name) for name in sys.argv[1:]]
    with (
        data_folder() as folder, tempfile.TemporaryDirectory() as scratch,
        PrivateDatabase(prepare(), folder / "database") as server,
    ):  # fmt: skip
        asyncio.run(_picture(server.dsn_of("amor"), Path(scratch), pictures))


if __name__ == "__main__":
    main()
