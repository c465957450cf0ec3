"""The relay against a system, or a proxy before it, that answers what nobody foresaw: it lives on and says what came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.config.settings import OdooSettings
from bridge.erp import relay
from bridge.store import outbox
from bridge.store import relay as relay_store
from bridge.store.database import connected
from tests.relay_process import QUICK, post, relaying, settings_of, until

PRODUCTION = {
    "id": 1, "name": "MO1", "origin": "O1", "state": "confirmed", "product_id": [1, "p"], "product_uom_id": [1, "Units"],
    "product_qty": 3, "qty_produced": 0, "picking_type_id": False, "date_deadline": False,
}  # fmt: skip
DELIVERY = {
    "id": 1, "name": "OUT1", "origin": "S1", "state": "done", "create_date": "2026-07-01 08:00:00",
    "scheduled_date": False, "date_deadline": False, "date_done": "2026-07-01 12:00:00",
}  # fmt: skip


@asynccontextmanager
async def odd_system(answer: Callable[[str], bytes]) -> AsyncIterator[OdooSettings]:
    """A server that answers a call, by its path, with any bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
                writer.write(answer(head.split()[1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield OdooSettings.model_validate(
            {
                "type": "odoo19",
                "name": "erp",
                "url": f"http://127.0.0.1:{port}",
                "database": "a",
                "auth": {"type": "api_key", "key": "a-key-7731"},
                "timeout_s": 1,
                "poll_s": 0.5,
            }
        )


def http(status: int, body: bytes, header: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{header}\r\n".encode() + body


ODD = {
    "a NUL in a proxy's page": (http(502, b"bad \x00 gateway"), "\\u0000"),
    "a NUL in Odoo's message": (http(500, json.dumps({"name": "x", "message": "a\0b"}).encode()), "\\u0000"),
    "half a pair in Odoo's message": (http(500, b'{"name":"x","message":"\\ud800"}'), "\\ud800"),
    "half a pair in a refusal": (http(422, b'{"name":"x","message":"\\ud800"}'), "\\ud800"),
    "a charset that is none": (http(502, b"\xff\xfe", "Content-Type: text/html; charset=hex\r\n"), "\\xff"),
    "nested without end": (http(200, b"[" * 100_000), "[["),
    "a number beyond any": (http(200, b"[1e9999999999999999999999.0, 1.0e9999999999999999999999]"), "1.0e9"),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
async def test_odd_answer_is_kept_and_the_relay_lives_on(database_dsn, odd):
    answer, shown = ODD[odd]
    async with connected(database_dsn, "test") as connection, odd_system(lambda _: answer) as table:
        await post(connection, "O1", [1])
        stop = asyncio.Event()
        running = asyncio.create_task(relay.run(settings_of(database_dsn, table), stop, QUICK))
        await until(database_dsn, lambda rows: bool(rows[0]["last_error"]) or running.done())
        assert not running.done()
        stop.set()
        await running
        kept = await (await connection.execute("select answer from outbox_attempt order by id limit 1")).fetchone()
    assert shown in kept["answer"]


async def test_orders_and_shipments_that_the_database_refuses_are_left_out_alone(database_dsn):
    long = "".join(str(n) for n in range(5000))
    productions = [
        PRODUCTION | {"id": 1, "origin": "O1"},
        PRODUCTION | {"id": 2, "origin": "O2", "product_qty": -3},
        PRODUCTION | {"id": 3, "origin": "O3\0", "product_id": [1, "p\ud800"]},
        PRODUCTION | {"id": 4, "origin": long},
        PRODUCTION | {"id": 5, "origin": "O5", "product_id": [1]},
        PRODUCTION | {"id": 6, "origin": "O6"},
    ]
    deliveries = [DELIVERY | {"id": 1, "name": long}, DELIVERY | {"id": 2, "name": "OUT2\0"}]

    def answer(path: str) -> bytes:
        return http(200, json.dumps(deliveries if "stock.picking" in path else productions).encode())

    async with connected(database_dsn, "test") as connection, odd_system(answer) as table:
        await connection.execute("listen amor_live")
        async with relaying(database_dsn, table):
            async for notice in connection.notifies():
                if notice.payload.startswith("shipment:"):
                    break
        orders = await (
            await connection.execute("select number, product from production_order order by number")
        ).fetchall()
        shipments = await (await connection.execute("select number from shipment")).fetchall()
    assert [(row["number"], row["product"]) for row in orders] == [("O1", "p"), ("O3\\u0000", "p\\ud800"), ("O6", "p")]
    assert [row["number"] for row in shipments] == ["OUT2\\u0000"]


async def test_request_that_the_system_fails_at_again_and_again_is_parked_for_a_person(database_dsn):
    answers = iter(http(500, json.dumps({"name": "x", "message": f"fault {n}"}).encode()) for n in range(1000))
    stop = asyncio.Event()
    rhythm = replace(QUICK, most_own_faults=5)
    async with connected(database_dsn, "test") as connection, odd_system(lambda _: next(answers)) as table:
        await post(connection, "O1", [1])
        running = asyncio.create_task(relay.run(settings_of(database_dsn, table), stop, rhythm))
        [row] = await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
        assert "5 times: mend it there" in row["last_error"]
        # The first was met while planning, the others while looking up.
        assert row["attempts"] == 6
        assert await outbox.replay(connection, row["id"])
        stop.set()
        await running


async def test_proxy_that_fails_again_and_again_parks_nothing(database_dsn):
    stop = asyncio.Event()
    rhythm = replace(QUICK, most_own_faults=2)
    async with connected(database_dsn, "test") as connection, odd_system(lambda _: http(500, b"<html>")) as table:
        await post(connection, "O1", [1])
        running = asyncio.create_task(relay.run(settings_of(database_dsn, table), stop, rhythm))
        [row] = await until(database_dsn, lambda rows: rows[0]["attempts"] > 6 or rows[0]["state"] == "parked")
        assert row["state"] != "parked"
        stop.set()
        await running


@pytest.mark.parametrize("asked", ["31536000", "86399999999990", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_stream_whose_system_asks_for_years_waits_a_quarter_of_an_hour(database_dsn, asked):
    busy = http(503, b"busy", f"Retry-After: {asked}\r\n")
    async with connected(database_dsn, "test") as connection, odd_system(lambda _: busy) as table:
        await post(connection, "O1", [1])
        async with relaying(database_dsn, table):
            [row] = await until(database_dsn, lambda rows: "busy" in rows[0]["last_error"])
        [wait] = await (
            await connection.execute("select extract(epoch from next_at - now())::float as seconds from outbox")
        ).fetchall()
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert 800 < wait["seconds"] <= 901


async def test_mistake_of_our_own_ends_no_relay_and_is_tried_again(database_dsn, monkeypatch):
    prepare, failed = relay_store.prepare_session, asyncio.Event()

    async def mistaken(connection):
        if failed.is_set():
            return await prepare(connection)
        failed.set()
        raise KeyError("a mistake")

    monkeypatch.setattr(relay_store, "prepare_session", mistaken)
    async with connected(database_dsn, "test") as connection, odd_system(lambda _: http(502, b"")) as table:
        await post(connection, "O1", [1])
        async with relaying(database_dsn, table.model_copy(update={"max_in_flight": 1})):
            await until(database_dsn, lambda rows: bool(rows[0]["last_error"]))
    assert failed.is_set()
