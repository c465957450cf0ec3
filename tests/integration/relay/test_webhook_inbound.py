"""What the other side of a webhook tells arrives in the database before it is acknowledged, and only if it is signed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bridge.erp.webhook import listener, signature
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


SECOND_SECRET = "whsec_" + base64.b64encode(b"the-next-secret-of-32-bytes-yes!").decode()
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def event(kind: str, data: object, *, at: datetime | str | None = AT, **more: object) -> bytes:
    time = at.isoformat() if isinstance(at, datetime) else at
    given = {"specversion": "1.0", "id": "1", "source": "mes", "type": kind, "time": time, "data": data, **more}
    return json.dumps({name: value for name, value in given.items() if value is not None}).encode()


@asynccontextmanager
async def listening_on(dsn: str) -> AsyncIterator[Callable[..., Awaitable[httpx.Response]]]:
    """A relay that takes messages; gives a sender of signed ones."""
    port = free_port()
    async with SimulatedReceiver() as system:
        table = system.settings(name="erp", listen_port=port, timeout_s=1, secrets=[SECRET, SECOND_SECRET])
        async with relaying(dsn, table), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def send(
                body: bytes, *, secret: str = SECRET, at: datetime | None = None, media_type: str = ""
            ) -> httpx.Response:
                headers = signature.headers("m1", at or datetime.now(UTC), body, [secret])
                headers |= {"Content-Type": media_type} if media_type else {}
                for _ in range(1000):
                    with contextlib.suppress(httpx.ConnectError):
                        return await http.post("/", content=body, headers=headers)
                    await asyncio.sleep(0.02)  # the relay is starting, or starting again
                raise AssertionError("nobody listens")

            send.port = port  # type: ignore[attr-defined]
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
    done = event("production.order", {**ORDER, "state": "done"}, at=AT + timedelta(hours=1))
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


@pytest.mark.parametrize(
    ("kind", "record", "column"),
    [("production.order", ORDER, "production_order"), ("shipment.status", SHIPMENT, "shipment")],
)
async def test_newest_state_holds_in_whatever_order_and_how_often_messages_come(
    listening, database_dsn, kind, record, column
):
    """Every order of three states, each then sent once more: a state at the same time as another is the later one by its sequence."""
    states = [("planned", AT, "1"), ("released", AT, "2"), ("done", AT + timedelta(seconds=1), "")]
    for number, permutation in enumerate(itertools.permutations(states)):
        name = f"N-{number}"
        for state, at, sequence in (*permutation, *permutation, permutation[0]):
            body = event(
                kind,
                {**record, "number": name, "state": state},
                at=at,
                sequence=sequence or None,
                id=f"{state}-{number}",
            )
            assert (await listening(body)).status_code == 204
    found = await rows(database_dsn, f"select number, state from {column}")
    assert {row["number"]: row["state"] for row in found} == {f"N-{number}": "done" for number in range(6)}


async def test_two_states_of_one_time_end_alike_in_whatever_order_they_come(listening, database_dsn):
    first, second = ("a", "released"), ("b", "done")
    for name, messages in (("N-1", [first, second]), ("N-2", [second, first]), ("N-3", [first, second, first])):
        for id_, state in messages:
            await listening(event("production.order", {**ORDER, "number": name, "state": state}, id=id_))
    found = await rows(database_dsn, "select state from production_order")
    assert [row["state"] for row in found] == ["done"] * 3


async def test_older_order_does_not_hold_off_another_order_or_a_shipment_of_its_number(listening, database_dsn):
    await listening(event("production.order", ORDER, at=AT + timedelta(days=1)))
    await listening(event("production.order", {**ORDER, "number": "MES-8"}))
    await listening(event("shipment.status", {**SHIPMENT, "number": ORDER["number"]}))
    assert len(await rows(database_dsn, "select * from production_order")) == 2
    assert len(await rows(database_dsn, "select * from shipment")) == 1


async def test_message_that_the_database_refuses_is_not_remembered_as_taken(listening, database_dsn):
    too_much = event("production.order", {**ORDER, "quantity": "1" + "0" * 200_000})
    for _ in range(2):
        answer = await listening(too_much)
        assert answer.status_code == 422
        assert answer.json()["error"]
    assert await rows(database_dsn, "select * from webhook_arrival") == []
    assert (await listening(event("production.order", ORDER))).status_code == 204


async def test_state_that_comes_before_the_answer_to_its_request_is_asked_for_again_and_one_of_nobody_is_not(
    listening, database_dsn
):
    said = {"external_id": "R-99", "state": "done", "said": "done", "changed_at": "2026-07-01T13:00:00Z"}
    state = event("maintenance.work_request_state", said)
    assert (await listening(state)).status_code == 204
    async with connected(database_dsn, "test") as connection:
        await connection.execute(
            "insert into outbox (connector, stream, seq, kind, payload, key, state, attempts)"
            " values ('erp', 'ticket 9', 1, 'work_request', '{}', 'k', 'sending', 1)"
        )
    early = event("maintenance.work_request_state", {**said, "external_id": "R-100"})
    answer = await listening(early)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert len(await rows(database_dsn, "select * from webhook_arrival")) == 1, "so that it counts when it comes again"


async def test_either_secret_is_taken_while_one_is_replaced(listening):
    assert (await listening(event("production.order", ORDER), secret=SECOND_SECRET)).status_code == 204
    assert (await listening(event("shipment.status", SHIPMENT), secret=SECRET)).status_code == 204


async def test_clock_of_the_sender_may_be_off_by_five_minutes_and_no_more_in_either_direction(listening):
    body = event("production.order", ORDER)
    for minutes, status in ((-4, 204), (4, 204), (-6, 401), (6, 401)):
        assert (await listening(body, at=datetime.now(UTC) + timedelta(minutes=minutes))).status_code == status


async def test_time_far_ahead_is_refused_because_it_would_hold_off_all_that_comes_after_it(listening, database_dsn):
    answer = await listening(event("production.order", ORDER, at=datetime.now(UTC) + timedelta(days=1)))
    assert (answer.status_code, "set the sender's clock" in answer.json()["error"]) == (400, True)
    assert (await listening(event("production.order", ORDER))).status_code == 204


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/cloudevents+json; charset=utf-8", 204), ("application/json", 204), ("Application/CloudEvents+JSON", 204),
        ("application/cloudevents-batch+json", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
    ],
)  # fmt: skip
async def test_media_type_that_is_no_structured_cloud_event_is_told_what_to_send(listening, media_type, status):
    answer = await listening(event("production.order", ORDER), media_type=media_type)
    assert answer.status_code == status
    assert status == 204 or "application/cloudevents+json" in answer.json()["error"]


async def test_connection_that_sends_its_head_or_its_message_in_drops_is_cut_and_keeps_nobody_out(
    monkeypatch, listening
):
    monkeypatch.setattr(listener, "_PATIENCE_S", 0.5)
    await listening(event("production.order", ORDER))
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    slow = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(5)]
    for _, writer in slow[:4]:
        writer.write(head)  # and never its end
    slow[4][1].write(head + b"Content-Length: 100\r\n\r\n{")
    assert (await listening(event("shipment.status", SHIPMENT))).status_code == 204
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
    assert all(not answer or isinstance(answer, ConnectionError) for answer in answers[:4])
    assert b" 408 " in answers[4].splitlines()[0]
    for _, writer in slow:
        writer.close()


async def test_more_connections_than_are_taken_are_told_to_come_again(listening):
    await listening(event("production.order", ORDER))
    many = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(120)]
    try:
        assert (await listening(event("shipment.status", SHIPMENT))).status_code == 503
    finally:
        for _, writer in many:
            writer.close()
    async with asyncio.timeout(30):
        while (await listening(event("shipment.status", SHIPMENT))).status_code != 204:  # noqa: ASYNC110  # as a sender does
            await asyncio.sleep(0.05)


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
        (event("production.order", {**ORDER, "number": ""}), "number: is empty"),
        (event("production.order", ORDER, at=None), "time: None is no time: give the CloudEvent the time since when"),
        (event("production.order", ORDER, at="2026-07-01T12:00:00"), "names no time zone"),
        (event("production.order", ORDER, at="yesterday"), "time: 'yesterday' is no time"),
        (event("production.order", ORDER, id=""), "id: '' is no text"),
        (event("production.order", ORDER, id=7), "id: '7' is no text"),
        (event("production.order", ORDER, sequence="9" * 201), "sequence: "),
        (b"[" * 100_000, "no JSON"),
        (event("shipment.status", {**SHIPMENT, "created_at": None}), "created_at"),
    ],
)
def test_mistake_of_the_sender_is_told_in_a_sentence(body, words):
    with pytest.raises(PayloadError, match=words):
        read(body, AT)
