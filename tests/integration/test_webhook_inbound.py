"""What the other side of a webhook tells arrives in the database before it is acknowledged, and only if it is signed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bridge.erp.webhook import signature
from bridge.erp.webhook.arrivals import read
from bridge.errors import PayloadError
from bridge.store.database import connected
from bridge.store.migrate import migrate
from simulators.systems.webhook import SECRET
from tests.erp_process import free_port
from tests.erp_systems.webhook import SimulatedReceiver
from tests.relay_process import drained, relaying, request

ORDER = {
    "number": "MES-7", "external_id": "4711", "product": "HSG-L1", "quantity": "40.5", "due": "2026-07-02T00:00:00+02:00",
    "state": "released", "work_center": "line1",
}  # fmt: skip
SHIPMENT = {
    "number": "D-1", "order_ref": "S-1", "state": "done", "created_at": "2026-07-01T08:00:00Z", "planned_at": None,
    "due_at": None, "shipped_at": "2026-07-02T09:30:00Z",
}  # fmt: skip


def event(kind: str, data: object) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "mes", "type": kind, "data": data}).encode()


@asynccontextmanager
async def listening_on(dsn: str) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
    """A relay that takes messages; gives a sender of signed ones."""
    port = free_port()
    async with SimulatedReceiver() as system:
        table = system.settings(name="erp", listen_port=port, timeout_s=1)
        async with relaying(dsn, table), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def send(body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> httpx.Response:
                headers = signature.headers("m1", at or datetime.now(UTC), body, [secret])
                for _ in range(1000):
                    with contextlib.suppress(httpx.ConnectError):
                        return await http.post("/", content=body, headers=headers)
                    await asyncio.sleep(0.02)  # the relay is starting, or starting again
                raise AssertionError("nobody listens")

            yield send


@pytest.fixture
async def listening(database_dsn):
    async with listening_on(database_dsn) as send:
        yield send


async def rows(dsn: str, query: str) -> list[dict[str, object]]:
    async with connected(dsn, "test") as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def test_order_and_shipment_are_stored_before_they_are_acknowledged(listening, database_dsn):
    for _ in range(2):  # a sender that saw no answer sends again
        assert (await listening(event("production.order", ORDER))).status_code == 204
        assert (await listening(event("shipment.status", SHIPMENT))).status_code == 204
    (order,) = await rows(database_dsn, "select * from production_order")
    assert (order["number"], str(order["quantity"]), order["state"]) == ("MES-7", "40.5", "released")
    (shipment,) = await rows(database_dsn, "select * from shipment")
    assert shipment["shipped_at"] == datetime(2026, 7, 2, 9, 30, tzinfo=UTC)


async def test_state_of_a_request_comes_back_to_its_ticket(listening, database_dsn):
    async with connected(database_dsn, "test") as connection:
        await connection.execute("insert into equipment (level, path, name) values ('enterprise', 'acme', 'acme')")
        ticket = await (
            await connection.execute(
                "insert into ticket (equipment_id, failure_mode, priority, title, opened_at)"
                " select id, 'VIB', 'high', 'Vibration', now() from equipment returning id"
            )
        ).fetchone()
        await request(connection, ticket["id"])
    (row,) = await drained(database_dsn)
    state = {
        "external_id": row["external_id"], "state": "in_progress", "said": "M. Weber is on it",
        "changed_at": "2026-07-01T13:00:00Z",
    }  # fmt: skip
    assert (await listening(event("maintenance.work_request_state", state))).status_code == 204
    (told,) = await rows(database_dsn, "select external_state, external_said from ticket")
    assert (told["external_state"], told["external_said"]) == ("in_progress", "M. Weber is on it")


async def test_message_is_refused_while_the_database_is_away_and_taken_when_it_is_back(own_database):
    await migrate(own_database.dsn)
    done = event("production.order", {**ORDER, "state": "done"})
    async with listening_on(own_database.dsn) as send:
        assert (await send(event("production.order", ORDER))).status_code == 204
        await asyncio.to_thread(own_database.kill)
        assert (await send(done)).status_code == 503
        await asyncio.to_thread(own_database.start)
        async with asyncio.timeout(60):
            while (await send(done)).status_code != 204:  # noqa: ASYNC110  # nothing here to wait for but an answer
                await asyncio.sleep(0.1)  # as a sender does
    (order,) = await rows(own_database.dsn, "select state from production_order")
    assert order["state"] == "done"


async def test_what_is_not_signed_is_not_taken(listening, database_dsn):
    body = event("production.order", ORDER)
    other = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
    assert (await listening(body, secret=other)).status_code == 401
    assert (await listening(body, at=datetime.now(UTC) - timedelta(minutes=6))).status_code == 401
    assert await rows(database_dsn, "select * from production_order") == []


async def test_message_that_is_no_record_is_refused_with_the_reason(listening):
    answer = await listening(event("production.order", {**ORDER, "quantity": "many"}))
    assert (answer.status_code, "quantity" in answer.json()["error"]) == (400, True)
    assert (await listening(b"x" * 2_000_000)).status_code == 413


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "no JSON"),
        (b"[]", "no CloudEvent"),
        (event("production.order", []), "no CloudEvent"),
        (event("production.rumour", {}), "not taken here; these are: production.order"),
        (
            event("production.order", {**ORDER, "due": "2026-07-02T00:00:00"}),
            "due: 2026-07-02T00:00:00 names no time zone",
        ),
        (event("production.order", {**ORDER, "state": "lost"}), "state: 'lost' is none of"),
        (event("production.order", {**ORDER, "quantity": "-1"}), "quantity"),
        (event("production.order", {**ORDER, "quantity": "NaN"}), "quantity"),
        (event("production.order", {k: v for k, v in ORDER.items() if k != "number"}), "number: "),
        (event("shipment.status", {**SHIPMENT, "created_at": None}), "created_at"),
    ],
)
def test_mistake_of_the_sender_is_told_in_a_sentence(body, words):
    with pytest.raises(PayloadError, match=words):
        read(body)
