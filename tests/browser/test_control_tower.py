"""The control tower in a real browser. Every test also asserts that nothing was asked of elsewhere and the console stayed empty."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.plant_seed import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_wrong_password_is_told_and_the_right_one_leads_to_where_one_wanted(watched, seed):
    machine = seed.equipment("cnc2")
    watched.expects_outage = True  # the browser logs the 401 itself
    page = watched.page
    await page.goto(f"{watched.url}/machine/{machine}")
    await page.get_by_label("Login").fill("olga")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_have_text("Wrong login or password.")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("h1")).to_have_text("cnc2")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "/%09/evil.example/",
        "/.//evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ],
)
async def test_login_leads_to_no_other_host(watched, elsewhere):
    """A link to the login page must not be a way to a page that looks like ours; the fixture reports requests to elsewhere."""
    page = watched.page
    await page.goto(f"{watched.url}/login?next={elsewhere}")
    await page.get_by_label("Login").fill("olga")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: "/login" not in url)
    assert page.url.startswith(f"{watched.url}/")


async def test_a_piece_changes_the_figures_through_the_socket(watched, seed):
    await watched.log_in()
    output = watched.page.locator('[data-kpi="posted"] .aim')
    made = int(seed.one("select sum(qty) from production_count where is_final and kind = 'good'"))
    await expect(output).to_have_text(f"of {made:,} made")
    seed.count("insp1", datetime.now(UTC), 1, order="WH/MO/00017", final=True)
    await expect(output).to_have_text(f"of {made + 1:,} made", timeout=5000)


async def test_a_reading_moves_the_number_beside_its_trend(watched, seed):
    await watched.log_in()
    await watched.page.locator(".trend .main-svg").first.wait_for()
    tag = seed.tag("cnc1", "spindle.vib_rms", "mm/s")
    seed.readings(1, [(tag, datetime.now(UTC), 7.77, 0)])
    await expect(watched.page.locator(f'[data-now="{tag}"]')).to_have_text("7.77")


async def test_a_state_and_its_reason_show_on_the_machine(watched, seed):
    await watched.log_in()
    machine = watched.page.locator(f'a.machine[data-machine="{seed.equipment("saw1")}"]')
    await expect(machine.locator(".word")).to_have_text("Running")
    now = datetime.now(UTC)
    seed.connection.execute(
        "update machine_state set during = tstzrange(lower(during), %s) where equipment_id = %s and upper_inf(during)",
        (now, seed.equipment("saw1")),
    )
    seed.state("saw1", now, None, "UNPLANNED_STOP", "blade broken")
    await expect(machine.locator(".word")).to_have_text("Unplanned stop")
    await expect(machine.locator(".reason")).to_have_text("blade broken")
    await expect(machine).to_have_attribute("data-weight", "act")


async def test_an_alarm_appears_and_is_acknowledged_with_a_note(watched, seed):
    await watched.log_in()
    page = watched.page
    alarm = seed.alarm("saw2", "critical", "guard open", datetime.now(UTC), rule="guard")
    item = page.locator(f'.alarms li[data-id="{alarm}"]')
    await expect(item).to_contain_text("guard open")
    await expect(page.locator('.alarm-count[data-severity="critical"] .n')).to_have_text("1")
    await item.get_by_role("button", name="Acknowledge").click()
    await page.get_by_label("Note").fill("closed it")
    await page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(item).to_contain_text("acknowledged by olga")
    assert seed.one("select note from alarm_event where alarm_id = %s and kind = 'ACK'", alarm) == "closed it"


async def test_evidence_of_a_ticket_is_shown_large(watched):
    await watched.log_in()
    await watched.page.get_by_role("button", name="Enlarge the evidence").click()
    picture = watched.page.get_by_role("dialog").get_by_role("img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300


async def test_time_range_changes_the_figures_and_is_kept(watched):
    await watched.log_in()
    page = watched.page
    await page.get_by_role("button", name="15 min").click()
    await expect(page.get_by_role("button", name="15 min")).to_have_attribute("aria-pressed", "true")
    await page.reload()
    await expect(page.get_by_role("button", name="15 min")).to_have_attribute("aria-pressed", "true")


async def test_one_goes_to_a_machine_and_back_without_loading_anew(watched, seed):
    await watched.log_in()
    page = watched.page
    await page.evaluate("window.stayed = true")
    await page.locator("a.machine", has_text="cnc2").click()
    await expect(page.locator("h1")).to_have_text("cnc2")
    await expect(page.locator('[data-panel="tags"] tbody tr')).to_have_count(8)
    await page.locator(".trend .main-svg").first.wait_for()
    await page.go_back()
    await expect(page.locator(".line")).to_have_count(2)
    assert await page.evaluate("window.stayed") is True


async def test_stale_appears_when_the_server_stops_and_live_when_it_is_back(watched, tower):
    await watched.log_in()
    watched.expects_outage = True
    tower.kill()
    pulse = watched.page.locator('[data-live="pulse"]')
    await expect(pulse).to_contain_text("STALE", timeout=15_000)
    await expect(watched.page.locator('[data-live="banner"]')).to_contain_text("No news from the server")
    await asyncio.to_thread(tower.start)
    await expect(pulse).to_have_text("LIVE", timeout=30_000)


async def test_who_is_logged_out_elsewhere_comes_to_the_login_page(watched, tower, seed):
    await watched.log_in()
    watched.expects_outage = True
    seed.connection.execute("update login_session set revoked_at = now()")
    tower.kill()
    await asyncio.to_thread(tower.start)
    await watched.page.wait_for_url("**/login?next=*", timeout=30_000)


async def test_log_out_leads_to_the_login_page(watched, seed):
    await watched.log_in()
    await watched.page.get_by_role("button", name="Log out").click()
    await watched.page.wait_for_url("**/login*")
    assert seed.one("select count(*) from login_session where revoked_at is null") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page_name", ["login", "plant", "machine"])
async def test_axe_finds_no_violations(watched, seed, theme, page_name):
    page = watched.page
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    if page_name == "login":
        await page.goto(watched.url + "/login")
    else:
        await watched.log_in("/" if page_name == "plant" else f"/machine/{seed.equipment('cnc2')}")
        await page.locator(".trend .main-svg").first.wait_for()
        await expect(page.locator(".alarms li").first).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.theme") == theme
    results = await Axe().run(page)
    found = [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in results.response["violations"]]
    assert found == []


async def test_one_column_and_nothing_cut_off_on_a_phone(watched):
    page = watched.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await watched.log_in()
    await expect(page.locator(".tile").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    lefts = {round((await tile.bounding_box())["x"]) for tile in await page.locator(".tile").all()}
    assert len(lefts) == 1


async def test_ids_are_unique(watched):
    await watched.log_in()
    await watched.page.locator(".trend .main-svg").first.wait_for()
    twice = await watched.page.evaluate(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        " return ids.filter((id, n) => ids.indexOf(id) !== n) })()"
    )
    assert twice == []
