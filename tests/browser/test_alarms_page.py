"""The page of alarms in a real browser: what stands, why, what is done about it, and how loaded people are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def raised(seed):
    """A critical alarm with the line of its raise; its id."""
    alarm = seed.alarm("saw2", "critical", "guard open", datetime.now(UTC), rule="guard")
    seed.connection.execute(
        "insert into alarm_event (alarm_id, at, kind, severity, note) values (%s, now(), 'RAISE', 'critical', 'guard: true')",
        (alarm,),
    )
    return alarm


@pytest_asyncio.fixture(loop_scope="session")
async def page(watched):
    await watched.log_in("/login?next=/alarms")
    await watched.page.locator('[data-page="alarms"]').wait_for()
    return watched.page


async def test_an_alarm_explains_itself(page, seed):
    alarm = raised(seed)
    await page.locator(f'.alarms li[data-id="{alarm}"]').get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("guard open")
    await expect(dialog).to_contain_text("Rule guard, version 1")
    await expect(dialog.locator("tbody").last).to_contain_text("raised (critical)")


async def test_an_alarm_is_shelved_only_with_a_reason_and_comes_off_the_shelf(page, seed):
    alarm = raised(seed)
    item = page.locator(f'.alarms li[data-id="{alarm}"]')
    await item.get_by_role("button", name="Details").click()
    await page.get_by_role("dialog").get_by_role("button", name="Shelve").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Shelve").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("without a reason")
    await dialog.get_by_label("Reason").fill("the guard is being mended")
    await dialog.get_by_role("button", name="Shelve").click()
    await expect(dialog).to_be_hidden()
    shelf = page.locator('[data-live="shelves"]')
    await expect(shelf).to_contain_text("the guard is being mended")
    assert seed.one("select kind from shelf where ended_at is null") == "timed"
    await shelf.get_by_role("button", name="Take off").click()
    await expect(shelf).to_contain_text("Nothing is on the shelf.")


async def test_alarms_that_nobody_is_called_by_are_not_counted_in_the_header(page, seed):
    count = page.locator('.alarm-count[data-severity="critical"] .n')
    before = int(await count.text_content())
    alarm = raised(seed)
    await expect(count).to_have_text(str(before + 1))
    seed.connection.execute(
        "insert into out_of_service (equipment_id, work_order, reason, actor, since) values (%s, 'WO-1', 'rebuilt', 'olga', now())",
        (seed.equipment("saw2"),),
    )
    seed.connection.execute("select pg_notify('amor_live', %s)", (f"alarm:{alarm}",))
    await expect(count).to_have_text(str(before))


async def test_load_is_shown_beside_what_is_asked(page, seed):
    load = page.locator('[data-live="alarm-load"]')
    await expect(load).to_contain_text("Alarms an hour")
    await expect(load).to_contain_text("12 is the most that people manage")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_page_is_accessible(page, seed, theme):
    raised(seed)
    await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    await page.reload()  # the load is asked for every ten seconds
    await expect(page.locator('[data-live="worst-sources"] table')).to_be_visible()
    await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    results = await Axe().run(page)
    found = [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in results.response["violations"]]
    assert found == []
