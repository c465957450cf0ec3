"""What the tests of the ingest path share: settings, a running bridge, a publisher, and what the database holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from bridge.config.settings import Settings
from bridge.ingest.process import run
from tests.program import Program

EPOCH_MS = 1_790_000_000_000  # 2026-09-21, in the past of any run


def mqtt_settings(dsn: str, url: str, name: str, **changes: Any) -> Settings:
    """One MQTT source: `<name>/{machine}/tag/{tag}` and `<name>/{machine}/many`; its client id is the name."""
    ingest = changes.pop("ingest", {})
    source = {
        "name": name,
        "type": "mqtt",
        "lane": 1,
        "url": url,
        "client_id": f"bridge-{name}",
        "subscribe": [
            {"topic": f"{name}/{{machine}}/tag/{{tag}}", "equipment": "acme/dortmund/test/line/{machine}"},
            {"topic": f"{name}/{{machine}}/many", "equipment": "acme/dortmund/test/line/{machine}"},
        ],
        **changes,
    }
    return _settings(dsn, source, ingest)


def opcua_settings(dsn: str, url: str, nodes: Iterable[str], **changes: Any) -> Settings:
    """One OPC UA source: the nodes `m1.<tag>` of urn:acme:test, published every 50 ms."""
    ingest = changes.pop("ingest", {})
    source = {
        "name": "line",
        "type": "opcua",
        "lane": 2,
        "url": url,
        "publishing_interval_ms": 50,
        "nodes": [
            {
                "equipment": "acme/dortmund/test/line/m1",
                "node": "nsu=urn:acme:test;s=m1.{tag}",
                "tags": dict.fromkeys(nodes, ""),
            }
        ],
        **changes,
    }
    return _settings(dsn, source, ingest)


def _settings(dsn: str, source: dict[str, Any], ingest: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "plant": {"name": "Test"},
            "database": {"dsn": dsn},
            "tag": [{"match": "parts.*", "kind": "counter"}, {"match": "*.temp", "unit": "Cel"}],
            "source": [source],
            "ingest": ingest,
        }
    )


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """The bridge, in this process, stopped in order at the end."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(settings, stop))
        try:
            yield
        finally:
            stop.set()


async def subscribed(dsn: str) -> None:
    """The source has its session: from here on the broker keeps what is published."""
    await until(dsn, "select count(*) from source_state", lambda n: n == 1)


@contextlib.contextmanager
def bridge_process(settings: Settings) -> Iterator[Program]:
    """The bridge in a process of its own, killed at the end."""
    described = settings.model_dump(mode="json", by_alias=True)
    described["database"]["dsn"] = settings.database.dsn.get_secret_value()
    process = Program("tests.integration.ingest.ingest_stage", json.dumps(described))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Publisher:
    """Publishes at QoS 1 from a thread of paho's own; `flush` waits until the broker has taken all."""

    def __init__(self, url: str) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(500)
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        self._last: paho.MQTTMessageInfo | None = None

    def send(self, topic: str, content: Any, *, retain: bool = False) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._last = self._client.publish(topic, payload, qos=1, retain=retain)

    async def flush(self) -> None:
        if self._last is not None:
            await asyncio.to_thread(self._last.wait_for_publish, 60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def publishing(url: str) -> Iterator[Publisher]:
    publisher = Publisher(url)
    try:
        yield publisher
    finally:
        publisher.close()


async def query(dsn: str, text: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        return await (await connection.execute(text)).fetchall()  # type: ignore[arg-type]


async def eventually(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for something of this process that gives no signal."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.01)


async def scalar(dsn: str, text: str) -> Any:
    return (await query(dsn, text))[0][0]


async def until(dsn: str, text: str, holds: Callable[[Any], bool], timeout_s: float = 60) -> Any:
    """Ask again whenever a batch was committed, and at least each quarter second, until the answer holds."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=3) as connection:
                    await connection.execute("listen amor_batch")
                    while True:
                        answer = (await (await connection.execute(text)).fetchone())[0]  # type: ignore[arg-type,index]
                        if holds(answer):
                            return answer
                        async for _ in connection.notifies(timeout=0.25, stop_after=1):
                            pass
            except psycopg.OperationalError:
                await asyncio.sleep(0.1)  # the database is away, as the test wants


if __name__ == "__main__":
    asyncio.run(run(Settings.model_validate(json.loads(sys.argv[1])), asyncio.Event()))
