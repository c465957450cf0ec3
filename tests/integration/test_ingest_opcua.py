"""OPC UA to the table, with a real server and a real database."""

from __future__ import annotations

import pytest

from bridge.store.embedded.ports import free_port
from simulators.plant.opcua_history import PlantHistory
from tests.integration.ingest_bench import opcua_settings, query, running, scalar, until
from tests.integration.opcua_bench import BenchServer, at

COUNT = "select count(*) from reading"


async def fill(server: BenchServer, tag: str, first: int, last: int) -> None:
    for number in range(first, last):
        await server.write(tag, float(number), at(number))


async def numbers(dsn: str, tag: str) -> list[float]:
    rows = await query(
        dsn, f"select value from reading r join tag t on t.id = r.tag_id where t.name = '{tag}' order by r.ts"
    )
    return [row[0] for row in rows]


async def test_values_before_and_after_the_subscription_are_stored_once(database_dsn):
    async with BenchServer(free_port(), PlantHistory()) as server:
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
    async with BenchServer(free_port(), PlantHistory(), is_patient=is_patient) as server:
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
    async with BenchServer(port, history) as server:
        await server.add("a")
        await fill(server, "a", 0, 10)
        await server.listen()
        settings = opcua_settings(database_dsn, server.url, ["a"])
        bridge = running(settings)
        await bridge.__aenter__()
        await until(database_dsn, COUNT, lambda n: n == 10)
    async with BenchServer(port, history) as server:
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
    async with BenchServer(port, PlantHistory()) as server:
        await server.add("a")
        await fill(server, "a", 0, 10)
        await server.listen()
        bridge = running(opcua_settings(database_dsn, server.url, ["a"]))
        await bridge.__aenter__()
        await until(database_dsn, COUNT, lambda n: n == 10)
    async with BenchServer(port, PlantHistory()) as server:
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
    async with BenchServer(free_port(), PlantHistory()) as server:
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
