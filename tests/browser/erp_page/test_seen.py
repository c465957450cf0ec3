"""The ERP page for everybody: with a screen reader, on a phone, for those who may only look."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.erp_page.erp_page import attention, needing

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_page_and_dialogs_are_accessible(watched, poster, seed, connection, theme):
    parked = await needing(poster, seed, connection)
    await watched.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await watched.log_in("/login?next=/erp")
    page = watched.page
    await expect(attention(page).locator("li")).to_have_count(2)
    await expect(page.locator('[data-live="comparison"] table')).to_be_visible()
    await expect(page.locator('[data-live="latest"] table')).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.theme") == theme
    assert await violations(page) == []
    await attention(page).get_by_role("button", name=f"Details of event {parked}").click()
    await expect(page.get_by_role("dialog")).to_contain_text("order is closed")
    assert await violations(page) == []
    await page.get_by_role("dialog").get_by_role("button", name="Edit").click()
    assert await violations(page) == []


async def violations(page):
    results = await Axe().run(page)
    return [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in results.response["violations"]]


async def test_one_column_and_nothing_cut_off_on_a_phone(watched, poster, seed, connection):
    await needing(poster, seed, connection)
    await watched.page.set_viewport_size({"width": 390, "height": 844})
    await watched.log_in("/login?next=/erp")
    page = watched.page
    await expect(attention(page).locator("li")).to_have_count(2)
    await expect(page.locator('[data-live="comparison"] td.words')).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    lefts = {round((await panel.bounding_box())["x"]) for panel in await page.locator(".panel, .connector").all()}
    assert len(lefts) == 1


async def test_viewer_sees_everything_and_is_offered_no_change(watched, poster, seed, connection, database_dsn):
    parked = await needing(poster, seed, connection)
    seed.connection.execute("update account set role = 'viewer'")
    await watched.log_in("/login?next=/erp")
    page = watched.page
    await attention(page).get_by_role("button", name=f"Details of event {parked}").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("order is closed")
    await expect(dialog.get_by_role("button")).to_have_text(["Close"])
    await expect(page.locator(".connector-acts button")).to_have_count(0)


async def test_waiting_events_show_in_the_header_of_the_plant_page(watched, poster, seed, connection):
    await needing(poster, seed, connection)
    await watched.log_in()
    await expect(watched.page.locator('[data-live="parked"]')).to_have_text("▲ 1, 1 event waits for a person")
    await watched.page.get_by_role("link", name="ERP").click()
    await expect(attention(watched.page).locator("li")).to_have_count(2)
