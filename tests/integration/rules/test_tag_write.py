"""Writes to tags over a real broker and a real OPC UA server: only what is allowed, taken for sure, read back."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as paho
import pytest
from asyncua import ua
from asyncua.server.server import Server
from paho.mqtt.enums import CallbackAPIVersion

from bridge.config.settings import Settings, TagWriteSettings
from bridge.erp import relay
from bridge.erp.connectors import ONE_WAY
from bridge.erp.tag_write import TagWriter
from bridge.errors import BusinessError, TransientError
from bridge.model.notice import Notice, TagWrite
from bridge.model.production import EventKind, event_id
from bridge.store import outbox
from bridge.store.database import connected
from tests.erp_process import free_port
from tests.relay_process import QUICK, drained

CNC = "acme/dortmund/machining/line1/cnc1"


def write(value=0.5, tag="feed.limit", at=None, number=1):
    return TagWrite(event_id("test", tag, number), CNC, tag, value, "rule r, alarm 7", at or datetime.now(UTC))


def table(url, **more):
    place = {"node": "ns=2;s=cnc1.{tag}"} if url.startswith("opc") else {"topic": "w/{equipment}/{tag}"}
    tag = {"equipment": "acme/*/cnc1", "tag": "feed.limit", "low": 0.2, "high": 1.0, **place, **more.pop("tag", {})}
    mode = {"equipment": "*", "tag": "mode", "values": ["AUTO", True], **place}
    return TagWriteSettings.model_validate(
        {"type": "tag_write", "name": "plc", "url": url, "tag": [tag, mode], "timeout_s": 5, **more}
    )


async def carry(settings, event):
    async with TagWriter(settings) as writer:
        answers = [await writer.execute(step) for step in await writer.plan(event)]
        assert (await writer.verify(event)).is_posted
        return answers[0].text


class Machine:
    """Hears what is written to it over MQTT and answers with what it took over."""

    def __init__(self, broker, takes=lambda value: value, answers=True):
        self.heard: asyncio.Queue[tuple[str, bytes, int]] = asyncio.Queue()
        self._answers = answers
        self._takes = takes
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(self._ready.set)
        self._broker = broker

    async def __aenter__(self):
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._broker.port)
        self._client.subscribe("w/#", qos=1)
        self._client.loop_start()
        await self._ready.wait()
        return self

    async def __aexit__(self, *_):
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _on_message(self, client, _data, message):
        heard = (message.topic, message.payload, message.qos)
        self._loop.call_soon_threadsafe(self.heard.put_nowait, heard)
        if self._answers:
            client.publish(
                "s/" + message.topic[2:], json.dumps({"value": self._takes(json.loads(message.payload))}), qos=1
            )


# --- MQTT ----------------------------------------------------------------------------------------------------------------------


async def test_value_is_taken_by_the_broker_at_qos_1(broker):
    async with Machine(broker) as machine:
        said = await carry(table(broker.url, tag={"readback_topic": "s/{equipment}/{tag}"}), write())
    assert said == "read back 0.5"
    assert machine.heard.get_nowait() == (f"w/{CNC}/feed.limit", b"0.5", 1)


async def test_payload_is_as_the_machine_wants_it(broker):
    settings = table(broker.url, tag={"payload": '{"set": {value}}', "low": 0, "high": 10})
    async with Machine(broker, answers=False) as machine:
        assert await carry(settings, write(3.0)) == "taken by the broker, not read back"
        await carry(settings, write("AUTO", "mode"))
        async with asyncio.timeout(20):
            payloads = [(await machine.heard.get())[1] for _ in range(2)]
    assert payloads == [b'{"set": 3}', b'"AUTO"']


async def test_machine_that_takes_over_another_value_is_told_to_a_person(broker):
    settings = table(broker.url, tag={"readback_topic": "s/{equipment}/{tag}"})
    async with Machine(broker, takes=lambda _value: 0.9):
        with pytest.raises(BusinessError, match=r"took over 0\.9 instead of 0\.5"):
            await carry(settings, write())


async def test_machine_that_says_nothing_is_asked_again_later(broker):
    settings = table(broker.url, tag={"readback_topic": "s/{equipment}/{tag}"}, timeout_s=0.5)
    async with Machine(broker, answers=False):
        with pytest.raises(TransientError, match=f"no word from s/{CNC}/feed.limit"):
            await carry(settings, write())


async def test_broker_that_is_away_is_no_reason_to_give_up():
    with pytest.raises(TransientError, match="cannot be reached"):
        await carry(table(f"mqtt://127.0.0.1:{free_port()}"), write())


# --- what is never written -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (write(1.1), "outside of 0.2 to 1"),
        (write(float("nan")), "outside of"),
        (write("0.5"), "not among the allowed values"),
        (write(True), "not among the allowed values"),
        (write("MANUAL", "mode"), "not among the allowed values: AUTO, True"),
        (write(1.0, "mode"), "no bounds are configured"),
        (write(0.5, "spindle.stop"), "not among the tags"),
        (TagWrite(event_id("t", "t", 1), CNC + "x", "feed.limit", 0.5, "", datetime.now(UTC)), "not among the tags"),
        (write(at=datetime.now(UTC) - timedelta(minutes=6)), "expires after 300 s"),
    ],
)
async def test_what_is_not_allowed_or_too_old_is_not_sent(broker, event, reason):
    async with Machine(broker) as machine, TagWriter(table(broker.url)) as writer:
        with pytest.raises(BusinessError, match=reason):
            await writer.plan(event)
    assert machine.heard.empty()


# --- OPC UA ----------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opcua_server():
    server = Server()
    await server.init()
    port = free_port()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    await server.register_namespace("urn:test")
    nodes = {}
    for name, value, kind in (
        ("feed.limit", 0.9, ua.VariantType.Float), ("mode", "MANUAL", ua.VariantType.String), ("fixed", 1, ua.VariantType.Int16),
    ):  # fmt: skip
        nodes[name] = await server.nodes.objects.add_variable(ua.NodeId(f"cnc1.{name}", 2), name, value, kind)
        if name != "fixed":
            await nodes[name].set_writable()
    async with server:
        yield f"opc.tcp://127.0.0.1:{port}", nodes


async def test_value_is_written_to_its_node_in_the_nodes_type_and_read_back():
    async with opcua_server() as (url, nodes):
        assert (await carry(table(url), write(0.3))).startswith("read back 0.3")
        assert await nodes["feed.limit"].read_value() == pytest.approx(0.3)
        await carry(table(url), write("AUTO", "mode"))
        assert await nodes["mode"].read_value() == "AUTO"


async def test_node_that_refuses_or_is_of_another_type_waits_for_a_person():
    async with opcua_server() as (url, _):
        fixed = table(url, tag={"node": "ns=2;s=cnc1.fixed", "low": 0, "high": 5})
        with pytest.raises(BusinessError, match="is of type Int16"):
            await carry(fixed, write(0.5))
        with pytest.raises(BusinessError, match="the server refused the write"):
            await carry(fixed, write(1.0))
        with pytest.raises(BusinessError, match=r"ns=2;s=cnc1\.unknown: the server refused the write"):
            await carry(table(url, tag={"node": "ns=2;s=cnc1.unknown"}), write(0.5))


async def test_server_that_is_away_is_no_reason_to_give_up():
    with pytest.raises(TransientError):
        await carry(table(f"opc.tcp://127.0.0.1:{free_port()}", timeout_s=2), write(0.5))


# --- the whole way -----------------------------------------------------------------------------------------------------------------


async def test_write_goes_through_the_outbox_and_its_answer_is_kept(broker, database_dsn):
    settings = Settings.model_validate(
        {
            "plant": {"name": "test"},
            "database": {"dsn": database_dsn},
            "connector": [table(broker.url, tag={"readback_topic": "s/{equipment}/{tag}"}).model_dump(mode="json") | {"password": ""}],
        }
    )  # fmt: skip
    event = write()
    async with connected(database_dsn, "test") as connection, Machine(broker):
        await outbox.insert(
            connection, connector="plc", stream=event.stream, kind=str(event.kind), payload=event.payload(), key="k"
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(relay.run(settings, stop, QUICK))
            [row] = await drained(database_dsn)
            stop.set()
        said = await (await connection.execute("select answer from outbox_attempt where step = 'write'")).fetchone()
    assert row["external_id"] == str(event.event_id)
    assert said["answer"] == "read back 0.5"


@pytest.mark.parametrize("name", sorted(ONE_WAY))
def test_connector_to_people_and_machines_carries_one_kind_and_refuses_the_others(name):
    tables = {
        "apprise": {"type": "apprise", "name": "a", "url": "json://127.0.0.1:1", "roles": ["x"]},
        "tag_write": table("mqtt://127.0.0.1:1").model_dump(mode="json") | {"password": ""},
    }
    settings = Settings.model_validate({"plant": {"name": "x"}, "database": {"dsn": "x"}, "connector": [tables[name]]})
    connector = ONE_WAY[name](settings.connector[0])
    notice = Notice(event_id("t", "n", 1), "s", "b", "high", datetime.now(UTC))
    refused = {"apprise": write(), "tag_write": notice}[name]
    assert len(connector.kinds) == 1
    assert connector.kinds < set(EventKind)
    with pytest.raises(BusinessError, match="has no place for"):
        asyncio.run(connector.plan(refused))
