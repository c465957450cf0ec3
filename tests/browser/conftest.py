"""A Chromium of the system's, one for the session, and for each test the control tower as a process over a seeded database."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.dashboard_process import TowerProcess
from tests.plant_seed import LOGIN, PASSWORD, Seed, apply, demo_settings, story

# Playwright's synchronous interface keeps a loop running in this thread, which the other tests' own loops do not survive: hence
# the asynchronous one, and none of pytest-playwright's fixtures. The browser lives in the session's loop, so its tests and their
# fixtures run there; a test's pages are in a context of their own, which shares no cookie and no cache with another's.

expect.set_options(timeout=30_000)  # what is expected comes; how soon says how busy the machine is


@pytest.fixture(scope="session")
def chromium() -> str:
    found = os.environ.get("AMOR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on the PATH and none in AMOR_CHROMIUM")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_chromium(chromium: str) -> AsyncIterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
def seed(database_dsn: str) -> Iterator[Seed]:
    now = datetime.now(UTC)
    asyncio.run(apply(demo_settings(database_dsn), now))
    seed = Seed(database_dsn)
    with seed.connection.transaction():
        story(seed, now, hours=0.5)
    yield seed
    seed.close()


@pytest.fixture
def tower(seed: Seed, database_dsn: str, tmp_path: Path) -> Iterator[TowerProcess]:
    tower = TowerProcess(database_dsn, tmp_path)
    tower.start()
    yield tower
    tower.kill()


class Watched:
    """A page and what must not happen on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.expects_outage = False
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)

    def _console(self, message) -> None:
        # The browser itself reports a refused connection while the server is away.
        if message.type in ("error", "warning") and not self.expects_outage:
            self.complaints.append(message.text)

    def _request(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)

    async def log_in(self, path: str = "/") -> None:
        await self.page.goto(self.url + path)
        await self.page.get_by_label("Login").fill(LOGIN)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.locator('[data-pulse="live"]').wait_for()


@pytest_asyncio.fixture(loop_scope="session")
async def watched(running_chromium: Browser, tower: TowerProcess) -> AsyncIterator[Watched]:
    page = await running_chromium.new_page(viewport={"width": 1500, "height": 950})  # in a context of its own
    watched = Watched(page, tower.url)
    yield watched
    await page.close()
    assert watched.complaints == []
    assert watched.foreign == []
