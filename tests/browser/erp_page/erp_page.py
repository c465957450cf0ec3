"""The ERP page as a person finds their way on it, and a plant that has something of everything on it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from bridge.store import reconciliation
from bridge.store.reconciliation import Difference, OrderLedger

ORDER = "MES-0001"


def attention(page):
    return page.locator('[data-live="attention"]')


def status(page):
    return page.locator('[data-connector="erp"] .status .word')


def fact(page, name):
    return page.locator(f'[data-fact-of="{name}"] dd').first


async def give_reason(page, verb, reason):
    dialog = page.get_by_role("dialog").last
    await dialog.get_by_label("Reason").fill(reason)
    await dialog.get_by_role("button", name=verb).click()


async def needing(poster, seed, connection):
    """Something of everything: parked, failing, done, a difference, a stopped connector."""
    now = datetime.now(UTC)
    done = await poster.post(ORDER, now, [4])
    parked = await poster.post("NOWHERE", now, [5])
    failing = await poster.post("MES-0002", now, [6])
    seed.connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'D/1' where id = %s", (done,)
    )
    seed.connection.execute(
        "update outbox set state = 'parked', attempts = 1, last_error = %s where id = %s", ("x" * 400, parked)
    )
    seed.connection.execute(
        "update outbox set attempts = 7, last_error = 'connection refused' where id = %s", (failing,)
    )
    seed.connection.execute(
        "insert into outbox_attempt (outbox_id, step, outcome, status, request, answer, duration_ms)"
        " values (%s, 'mark done', 'business', 422, '{\"call\": \"x\"}', 'order is closed', 12)",
        (parked,),
    )
    ledger = OrderLedger(ORDER, Decimal(9), Decimal(0), Decimal(9), Decimal(0), Decimal(0))
    await reconciliation.keep(
        connection, "erp", now, 3, [Difference(ledger, Decimal(11), "look for a posting by hand")], "relay"
    )
    seed.connection.execute("insert into connector_stop (connector, actor, reason) values ('erp', 'paul', 'a test')")
    seed.notify("amor_live", f"outbox:{parked}")
    return parked
