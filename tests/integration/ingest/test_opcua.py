"""OPC UA to the table, with a real server and a real database."""

from __future__ import annotations

import asyncio
import random

import pytest
from asyncua import ua

from bridge.model.quality import BAD_NO_DATA, BAD_SENSOR_FAILURE, UNCERTAIN
from bridge.store.embedded.ports import free_port
from simulators.plant.opcua_history import PlantHistory
from tests.integration.ingest.ingest_stage import bridge_process, opcua_settings, query, running, scalar, until
from tests.integration.ingest.opcua_stage import StageServer, at

COUNT = "select count(*) from reading"


async def fill(server: StageServer, tag: str, first: int, last: int) -> None:
    for number in range(first, last):
        await server.write(tag, float(number), at(number))


async def numbers(dsn: str, tag: str) -> list[float]:
    rows = await query(
        dsn, f"select value from reading r join tag t on t.id = r.tag_id where t.name = '{tag}' order by r.ts"
    )
    return [row[0] for row in rows]


async def test_values_before_and_after_the_subscription_are_stored_once(database_dsn):
    async with StageServer(free_port(), PlantHistory()) as server:
        await server.add("a")
        await fill(server, "a", 0, 20)
        await server.listen()
        async with running(opcua_settings(database_dsn, server.url, ["a"])):
            await until(database_dsn, COUNT, lambda n: n == 20)
            await fill(server, "a", 20, 60)
            await until(database_dsn, COUNT, lambda n: n == 60)
    assert await numbers(database_dsn, "a") == [float(n) for n in range(60)]
    assert await scalar(database_dsn, "select count(*) from gap") == 0


@pytest.mark.parametrize("is_patient", [True, False], ids=["take-over works", "taken over and silent"])
async def test_nothing_is_lost_over_a_restart_of_the_bridge(database_dsn, is_patient):
    async with StageServer(free_port(), PlantHistory(), is_patient=is_patient) as server:
        await server.add("a")
        await fill(server, "a", 0, 10)
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, ["a"])
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 10)
        await fill(server, "a", 10, 40)
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 40)
            await fill(server, "a", 40, 50)
            await until(database_dsn, COUNT, lambda n: n == 50)
    assert await numbers(database_dsn, "a") == [float(n) for n in range(50)]
    assert await query(database_dsn, "select distinct recovered from gap") == [(True,)]


async def test_nothing_is_lost_over_a_restart_of_the_server_that_keeps_its_history(database_dsn):
    history, port = PlantHistory(), free_port()
    async with StageServer(port, history) as server:
        await server.add("a")
        await fill(server, "a", 0, 10)
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, ["a"])
        bridge = running(settings)
        await bridge.__aenter__()
        await until(database_dsn, COUNT, lambda n: n == 10)
    async with StageServer(port, history) as server:
        await server.add("a")
        await fill(server, "a", 10, 30)
        await server.listen()
        await until(database_dsn, COUNT, lambda n: n == 30)
        await fill(server, "a", 30, 40)
        await until(database_dsn, COUNT, lambda n: n == 40)
        await bridge.__aexit__(None, None, None)
    assert await numbers(database_dsn, "a") == [float(n) for n in range(40)]


async def test_a_server_that_forgets_its_history_leaves_a_gap(database_dsn):
    port = free_port()
    async with StageServer(port, PlantHistory()) as server:
        await server.add("a")
        await fill(server, "a", 0, 10)
        await server.listen()
        bridge = running(opcua_settings(database_dsn, server.url, ["a"]))
        await bridge.__aenter__()
        await until(database_dsn, COUNT, lambda n: n == 10)
    async with StageServer(port, PlantHistory()) as server:
        await server.add("a")
        await fill(server, "a", 20, 30)
        await server.listen()
        await until(database_dsn, COUNT, lambda n: n == 20)
        await until(database_dsn, "select count(*) from gap", lambda n: n == 1)
        await bridge.__aexit__(None, None, None)
    assert await query(database_dsn, "select source, recovered, tag_id from gap") == [("line", False, None)]


async def test_a_bad_node_is_isolated_and_taken_in_when_it_appears(database_dsn, monkeypatch):
    monkeypatch.setattr("bridge.sources.opcua.RETRY_BAD_NODES_S", 0.2)
    wanted = [f"t{n}" for n in range(20)]
    async with StageServer(free_port(), PlantHistory()) as server:
        for tag in wanted[1:]:
            await server.add(tag)
            await server.write(tag, 1.0, at(0))
        await server.listen()
        async with running(opcua_settings(database_dsn, server.url, wanted)):
            await until(database_dsn, COUNT, lambda n: n == 19)
            await server.add("t0")
            await server.write("t0", 5.0, at(1))
            await until(database_dsn, COUNT, lambda n: n == 20)
    assert await numbers(database_dsn, "t0") == [5.0]


@pytest.mark.parametrize("has_history", [True, False], ids=["history", "subscription only"])
async def test_kill_9_of_the_bridge_loses_and_doubles_nothing(database_dsn, has_history):
    chance, total, tags = random.Random(5), 400, ["a", "b", "c"]
    written = asyncio.Event()

    async def produce(server: StageServer) -> None:
        for number in range(total):
            for tag in tags:
                await server.write(tag, float(number), at(number))
            await asyncio.sleep(0.01)
        written.set()

    async with StageServer(free_port(), PlantHistory() if has_history else None) as server:
        for tag in tags:
            await server.add(tag)
            await server.write(tag, 0.0, at(0))
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, tags)
        stored = 0
        with bridge_process(settings):
            stored = await until(database_dsn, COUNT, lambda n: n >= 3)
            producing = asyncio.create_task(produce(server))
        while not written.is_set():
            with bridge_process(settings):
                wanted = min(stored + chance.randrange(1, 150), 3 * total)
                stored = await until(database_dsn, COUNT, lambda n, wanted=wanted: n >= wanted)
        await producing
        with bridge_process(settings):
            await until(database_dsn, COUNT, lambda n: n == 3 * total)
    for tag in tags:
        assert await numbers(database_dsn, tag) == [float(n) for n in range(total)]
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
    assert await scalar(database_dsn, "select count(*) from gap where not recovered") == 0
    assert await scalar(database_dsn, "select count(*) = max(seq) from batch")


@pytest.mark.parametrize("has_history", [True, False], ids=["history", "subscription only"])
async def test_values_that_the_servers_queue_discarded_come_from_history_or_are_a_gap(database_dsn, has_history):
    async with StageServer(free_port(), PlantHistory() if has_history else None) as server:
        await server.add("a")
        await server.write("a", 0.0, at(0))
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, ["a"])
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 1)
            # asyncua's own server never sets the bit; this says what a server says that discarded 1 to 8.
            if has_history:
                await server.keep("a", 1, 9)
            await server.write("a", 9.0, at(9), status=0x0480)
            await until(database_dsn, "select count(*) from gap", lambda n: n == 1)
    assert await numbers(database_dsn, "a") == ([float(n) for n in range(10)] if has_history else [0.0, 9.0])
    assert await query(database_dsn, "select distinct quality from reading") == [(0,)]
    assert await query(database_dsn, "select cause, recovered from gap") == [
        ("the server's queue overflowed", has_history)
    ]


async def test_every_kind_of_value_is_stored_with_its_status_or_kept_with_the_reason(database_dsn):
    kinds = ua.VariantType
    values = {
        "bool": (True, kinds.Boolean, 0, (1.0, None, 0)),
        "int": (-5, kinds.Int16, 0, (-5.0, None, 0)),
        "big": (2**53, kinds.UInt64, 0, (float(2**53), None, 0)),
        "text": ("EXECUTE", kinds.String, 0, (None, "EXECUTE", 0)),
        "local": (ua.LocalizedText("läuft"), kinds.LocalizedText, 0, (None, "läuft", 0)),
        "nan": (float("nan"), kinds.Double, 0, (None, None, BAD_NO_DATA)),
        "failed": (
            7.0,
            kinds.Double,
            BAD_SENSOR_FAILURE,
            (None, None, BAD_SENSOR_FAILURE),
        ),  # the server keeps no value
        "uncertain": (9.0, kinds.Double, UNCERTAIN, (9.0, None, UNCERTAIN)),
        "limited": (8.0, kinds.Double, 0x0000_0600, (8.0, None, 0x0000_0600)),
        "array": ([1.0, 2.0], kinds.Double, 0, None),
        "bytes": (b"x", kinds.ByteString, 0, None),
        "toobig": (2**63, kinds.UInt64, 0, None),
        "nul": ("a\x00b", kinds.String, 0, None),
    }
    stored = {tag: expected for tag, (_, _, _, expected) in values.items() if expected}
    async with StageServer(free_port(), None) as server:
        for number, (tag, (value, kind, status, _)) in enumerate(values.items()):
            await server.add(tag, value, kind)
            await server.write(tag, value, at(number), kind, status)
        await server.listen()
        async with running(opcua_settings(database_dsn, server.url, values)):
            await until(database_dsn, COUNT, lambda n: n == len(stored))
            await until(database_dsn, "select count(*) from dead_letter", lambda n: n == 4)
    rows = await query(
        database_dsn, "select t.name, r.value, r.text, r.quality from reading r join tag t on t.id = r.tag_id"
    )
    assert {name: tuple(rest) for name, *rest in rows} == stored
    addresses = await query(database_dsn, "select address from dead_letter order by address")
    assert addresses == [(f"nsu=urn:acme:test;s=m1.{tag}",) for tag in ("array", "bytes", "nul", "toobig")]


async def test_two_values_of_one_instant_are_two_readings_and_stay_two(database_dsn):
    async with StageServer(free_port(), PlantHistory()) as server:
        await server.add("a")
        await server.write("a", 1.0, at(0))
        await server.write("a", 2.0, at(0))
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, ["a"])
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 2)
            await server.write("a", 3.0, at(1))
            await until(database_dsn, COUNT, lambda n: n == 3)
        async with running(settings):
            await server.write("a", 4.0, at(2))
            await until(database_dsn, "select count(*) from reading where value = 4", lambda n: n == 1)
    assert await query(database_dsn, "select value, ordinal from reading order by ts, ordinal") == [
        (1.0, 0),
        (2.0, 1),
        (3.0, 0),
        (4.0, 0),
    ]
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
