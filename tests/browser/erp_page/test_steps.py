"""The ERP page in a real browser, with a real relay and the simulated ERP behind it: what waits, why, and what people do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.async_api import expect

from bridge.model.production import Disposition, event_id
from bridge.store import connector_condition, reconciliation
from bridge.store.connector_condition import Told
from bridge.store.reconciliation import Difference, OrderLedger
from tests.browser.erp_page.erp_page import ORDER, attention, fact, give_reason, status
from tests.contract.scenes import actual
from tests.relay_process import drained, put, relaying, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_dead_letter_appears_live_is_edited_and_replayed_and_is_taken(page, erp, poster, seed, database_dsn):
    await expect(attention(page)).to_contain_text("Nothing waits for a person")
    async with relaying(database_dsn, erp.settings()):
        event = await poster.post("NOWHERE", datetime.now(UTC), [2, 3])
        item = attention(page).locator(f'li[data-id="{event}"]')
        await expect(item).to_contain_text("Waits for a person")
        await expect(item).to_contain_text("Odoo has no production with the origin NOWHERE")
        await expect(page.locator('[data-live="parked"]')).to_have_text("▲ 1, 1 event waits for a person")
        await item.get_by_role("button", name="Details").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("5 pcs in 2 counts, each told by one reading")
        await dialog.get_by_role("button", name="Edit").click()
        await dialog.get_by_label("Order", exact=True).fill(ORDER)
        await dialog.get_by_role("button", name="Change").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Write why")
        await dialog.get_by_label("Why you change it").fill("wrong order at the terminal")
        await dialog.get_by_role("button", name="Change").click()
        await expect(dialog).to_contain_text("order_ref: NOWHERE → MES-0001")
        await dialog.get_by_role("button", name="Replay").click()
        await expect(dialog.locator(".event-state").first).to_contain_text("Taken")
        await expect(dialog.locator(".document")).not_to_be_empty()
        await expect(dialog).to_contain_text("mark done")
    await expect(item).to_have_count(0)
    await expect(page.locator('[data-live="parked"]')).to_be_hidden()
    assert await erp.good_posted(ORDER) == 5
    assert seed.one(
        "select string_agg(action, ',' order by id) from audit where actor = 'olga' and action like 'event%%'"
    ) == ("event edited,event replayed")
    assert seed.one("select count(*) from outbox") == 1


async def test_event_that_was_booked_by_hand_is_settled_with_its_document(page, poster, seed):
    event = await poster.post("NOWHERE", datetime.now(UTC), [5])
    seed.connection.execute("update outbox set state = 'parked', last_error = 'refused' where id = %s", (event,))
    seed.notify("amor_live", f"outbox:{event}")
    await attention(page).get_by_role("button", name="Details").click()
    await page.get_by_role("button", name="Booked by hand").click()
    await page.get_by_label("Its document there").fill("WH/MO/00042")
    await give_reason(page, "It is booked", "entered in Odoo")
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator(".event-state")).to_contain_text("Taken")
    await expect(dialog.locator(".document")).to_have_text("WH/MO/00042")
    await expect(dialog).to_contain_text("booked by hand: entered in Odoo")
    await expect(attention(page)).to_contain_text("Nothing waits for a person")


async def test_value_that_a_field_cannot_take_is_told_in_words_and_nothing_is_changed(page, watched, poster, seed):
    event = await poster.post("NOWHERE", datetime.now(UTC), [5])
    seed.connection.execute("update outbox set state = 'parked', last_error = 'refused' where id = %s", (event,))
    seed.notify("amor_live", f"outbox:{event}")
    await attention(page).get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Quantity").fill("five")
    await dialog.get_by_label("Why you change it").fill("r")
    watched.expects_outage = True  # the browser logs the 422 itself
    await dialog.get_by_role("button", name="Change").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("quantity: 'five' is no number; write it as 12 or 12.5")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog.locator('[data-field="quantity"] dd')).to_have_text("5")
    assert seed.one("select count(*) from outbox_edit") == 0


async def test_all_that_waits_for_one_reason_is_replayed_at_once(page, erp, poster, seed, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        for n in range(3):
            await poster.post(f"NOWHERE-{n}", datetime.now(UTC), [2])
        await expect(attention(page).locator("li")).to_have_count(3)
        seed.connection.execute(
            "update outbox set payload = payload || jsonb_build_object('order_ref', 'MES-000' || id) where state = 'parked'"
        )
        await page.get_by_role("button", name="Replay all of erp").click()
        await give_reason(page, "Replay all", "the orders are there now")
        await expect(attention(page)).to_contain_text("Nothing waits for a person")
        await drained(database_dsn)
    assert (await erp.truth())["good_posted"] == 6


async def test_connector_is_stopped_with_a_reason_and_let_go_on(page, erp, poster, seed, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        await expect(status(page)).to_have_text("Running")
        await page.get_by_role("button", name="Stop erp").click()
        await page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Write why")
        await give_reason(page, "Stop it", "stock-taking")
        await expect(status(page)).to_have_text("Stopped")
        await expect(page.locator('[data-connector="erp"] .why')).to_contain_text("by olga since")
        await expect(page.locator('[data-connector="erp"] .why')).to_contain_text("stock-taking")
        await poster.post(ORDER, datetime.now(UTC), [3])
        await expect(fact(page, "Open events")).to_have_text("1")
        await page.get_by_role("button", name="Let erp go on").click()
        await give_reason(page, "Let it go on", "counted")
        await expect(status(page)).to_have_text("Running")
        await drained(database_dsn)
        await expect(fact(page, "Open events")).to_have_text("0")
        await expect(fact(page, "Taken today")).to_have_text("3 pcs")


async def test_stop_by_another_shows_at_once(page, seed):
    seed.connection.execute(
        "insert into connector_stop (connector, actor, reason) values ('erp', 'paul', 'new server')"
    )
    seed.notify("amor_live", "connector:1")
    await expect(status(page)).to_have_text("Stopped")
    await expect(page.locator('[data-connector="erp"] .why')).to_contain_text("by paul")


async def test_dry_run_shows_the_requests_and_sends_none(page, erp, poster, seed, database_dsn):
    seed.connection.execute("insert into connector_stop (connector, actor, reason) values ('erp', 'paul', 'a test')")
    event = await poster.post(ORDER, datetime.now(UTC), [3])
    async with relaying(database_dsn, erp.settings()):
        await page.goto(page.url.partition("/erp")[0] + f"/erp?event={event}")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Dry run").click()
        await expect(dialog.locator(".steps")).to_contain_text("mrp.production/button_mark_done")
        await expect(dialog.locator(".steps")).to_contain_text('"qty_producing": 3')
    assert (await erp.truth())["good_posted"] == 0


async def test_question_that_no_relay_answers_says_so(page, poster):
    event = await poster.post(ORDER, datetime.now(UTC), [3])
    await page.goto(page.url.partition("/erp")[0] + f"/erp?event={event}")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Dry run").click()
    await expect(dialog.locator(".said")).to_contain_text("Does `amor relay` run?", timeout=15_000)
    await expect(status(page)).to_have_text("No relay")


async def test_pieces_are_taken_back_from_an_order_and_go_to_the_erp(page, erp, poster, seed, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        event = await poster.post(ORDER, datetime.now(UTC), [4, 4])
        await drained(database_dsn)
        await page.locator('[data-live="latest"]').get_by_role("link", name=f"#{event}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
        asked = page.get_by_role("dialog").last
        await asked.get_by_label("Good pieces to take back").fill("3")
        await give_reason(page, "Take back", "cracked in the store")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("region", name="Reversals")).to_contain_text("cracked in the store")
        [_, reversal] = await until(
            database_dsn, lambda rows: len(rows) == 2 and rows[1]["state"] in ("done", "parked")
        )
    assert (reversal["kind"], reversal["state"], reversal["payload"]["quantity"]) == ("reversal", "done", "3")
    assert reversal["payload"]["reverses"]["payload"]["order_ref"] == ORDER
    assert seed.one("select actor from audit where action = 'pieces taken back'") == "olga"


async def test_more_than_was_posted_is_not_taken_back_and_says_how_many_are_left(page, poster, seed, watched):
    event = await poster.post(ORDER, datetime.now(UTC), [4])
    seed.connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'D/1' where id = %s", (event,)
    )
    watched.expects_outage = True  # the browser logs the 409 itself
    await page.get_by_label("Number of an order").fill(ORDER)
    await page.get_by_role("button", name="Show").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    await page.get_by_label("Good pieces to take back").fill("5")
    await give_reason(page, "Take back", "r")
    await expect(page.get_by_role("dialog").last.get_by_role("alert")).to_contain_text("4 are left")
    assert seed.one("select count(*) from outbox") == 1


async def test_scrap_that_was_none_is_taken_back_from_its_own_dialog(page, watched, connection, seed):
    scrap = await put(connection, actual("3", "3", disposition=Disposition.SCRAP), ORDER)
    await connection.execute("update outbox set state = 'done', done_at = now() where id = %s", (scrap,))
    await page.goto(f"{watched.url}/erp?event={scrap}")
    await page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    await page.get_by_label("How much of it").fill("1")
    await give_reason(page, "Take back", "good after all")
    reversals = page.get_by_role("dialog").get_by_role("region", name="Reversals")
    await expect(reversals).to_contain_text("good after all")
    taken = "select payload -> 'reverses' ->> 'kind', payload ->> 'quantity' from outbox where kind = 'reversal'"
    assert seed.connection.execute(taken).fetchone() == ("scrap", "1")


async def test_comparison_is_made_on_demand_and_says_what_a_person_might_do(page, erp, seed, database_dsn):
    # Made and in no posting, as after a rule that was added too late.
    seed.count("insp1", datetime.now(UTC), 7, order=ORDER, final=True)
    async with relaying(database_dsn, erp.settings()):
        await expect(status(page)).to_have_text("Running")
        await page.get_by_role("button", name="Compare erp now").click()
        compared = page.locator('[data-compared="erp"]')
        await expect(compared).to_contain_text("1 order compared for olga")


async def test_difference_is_shown_with_its_proposal_and_a_sign(page, connection):
    ledger = OrderLedger(
        ORDER, Decimal(12), Decimal(0), Decimal(12), Decimal(0), Decimal(0), reversed_posted=Decimal(3),
        scrap_made=Decimal(5), scrap_posted=Decimal(4),
    )  # fmt: skip
    found = Difference(ledger, Decimal(11), "look for a posting by hand", Decimal(6))
    await reconciliation.keep(connection, "erp", datetime.now(UTC), 3, [found], "relay")
    await page.reload()
    compared = page.locator('[data-compared="erp"]')
    await expect(compared).to_contain_text("▲ 3 orders compared, 1 differs")
    cells = compared.get_by_role("row").last.get_by_role("cell")
    words = [ORDER, "9", "3", "9", "0", "0", "▲ 11", "▲ 5 / 4 / 6", "Look for a posting by hand"]
    await expect(cells).to_have_text(words)


async def test_refused_key_is_told_with_its_reason_and_when_it_is_tried_again(page, connection, seed):
    told = Told("erp", "refused", "401: the key was revoked", timedelta(minutes=5))
    await connector_condition.tell(connection, event_id("relay", "1", 1), [told], is_news=True)
    await expect(status(page)).to_have_text("Key refused")
    await expect(page.locator('[data-connector="erp"] .why')).to_contain_text(
        "401: the key was revoked. Tried again in 4 min"
    )
    await page.get_by_role("button", name="Try erp now").click()
    await give_reason(page, "Try now", "the key was renewed")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert seed.one("select times from connector_go where connector = 'erp'") == 1
    assert (
        seed.one("select detail ->> 'reason' from audit where action = 'connector tried now'") == "the key was renewed"
    )


async def test_link_to_an_event_opens_it_also_after_a_login(watched, poster):
    event = await poster.post(ORDER, datetime.now(UTC), [3])
    page = watched.page
    await page.goto(f"{watched.url}/erp?event={event}")
    await page.get_by_label("Login").fill("olga")
    await page.get_by_label("Password").fill("a long enough passphrase")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"Event {event}: Finished goods, 3 pcs, order {ORDER}")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(f"{watched.url}/erp")


async def test_page_that_is_empty_says_what_it_would_show(page):
    await expect(attention(page)).to_contain_text("Nothing waits for a person, and nothing fails.")
    await expect(page.locator('[data-live="comparison"]')).to_contain_text(
        "Not compared yet. The relay compares every night."
    )
    await expect(page.locator('[data-live="erp-orders"]')).to_contain_text("No orders from the ERP yet.")
    await expect(page.locator('[data-live="latest"]')).to_contain_text("No system has taken anything yet.")
