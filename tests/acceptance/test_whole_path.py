"""From a machine's message to the ticket with its picture and to the ERP's document, by the real processes as a plant runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import psycopg
import pytest
from psycopg.rows import dict_row

from bridge.cli.supervisor import Child, amor_command
from bridge.store.embedded import free_port

pytestmark = pytest.mark.timeout(180)

CNC = "acme/dortmund/machining/line1/cnc1"
FINAL = "acme/dortmund/machining/line1/insp1"
KEY = "a-key-of-the-test"

CONFIGURATION = f"""
[plant]
name = "Acceptance"
[database]
dsn = {{ env = "AMOR_DATABASE_DSN" }}
[[equipment]]
path = "{CNC}"
class = "cnc_spindle"
[[equipment]]
path = "{FINAL}"
is_final = true
[[source]]
name = "line1"
type = "mqtt"
lane = 1
url = {{ env = "AMOR_MQTT_URL" }}
client_id = {{ env = "TEST_CLIENT_ID" }}
[[source.subscribe]]
topic = "{{run}}/{{line}}/{{machine}}/values"
equipment = "acme/dortmund/machining/{{line}}/{{machine}}"
[[tag]]
match = "parts.*"
kind = "counter"
[production]
modulus = 65536
[production.states]
EXECUTE = "RUNNING"
[rules]
files = ["rules.yaml"]
lateness_ms = 200
[[connector]]
name = "erp"
type = "odoo19"
url = {{ env = "AMOR_ERP_URL" }}
database = "acme"
auth = {{ type = "api_key", key = {{ env = "AMOR_ERP_API_KEY" }} }}
timeout_s = 1
poll_s = 1
"""

RULES = """
apiVersion: rules/v1
rules:
- id: cnc-spindle-vibration
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s, max_age: 60s}}
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 3s, off_delay: 10s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 10s}
  response: inspect spindle bearing
  actions:
    - ticket: {failure_mode: VIB, priority: from_severity, from: high, connector: erp,
               evidence: {before: 60s, after: 1s, tags: [spindle.vib_rms]}}
- id: wip-to-finished-goods
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(good) > 0"
  require: "order.active && operation.is_final"
  actions:
    - erp_posting: {connector: erp, kind: wip_to_fg, quantity: "delta(good)", batch: {max_qty: 1, max_wait: 1s}}
"""


class Plant:
    """The processes of a plant under test, its database, and the ERP's books."""

    def __init__(self, folder: Path, dsn: str, mqtt_url: str) -> None:
        self.dsn, self.topic = dsn, f"run{os.getpid()}-{time.monotonic_ns()}"
        self.config = folder / "amor.toml"
        self.config.write_text(CONFIGURATION)
        (folder / "rules.yaml").write_text(RULES)
        self.erp_url = f"http://127.0.0.1:{free_port()}"
        environment = {
            "AMOR_DATABASE_DSN": dsn,
            "AMOR_MQTT_URL": mqtt_url,
            "AMOR_ERP_URL": self.erp_url,
            "AMOR_ERP_API_KEY": KEY,
            "AMOR_SIMULATED_ERP_KEY": KEY,
            "TEST_CLIENT_ID": self.topic,
        }
        erp = [sys.executable, "-m", "simulators.erp", "--port", self.erp_url.rsplit(":", 1)[1]]
        erp += ["--data", str(folder / "erp"), "--hold", "2", "--quantity", "50-50"]
        self.erp = Child("erp", erp, environment, folder / "erp.log")
        self.processes = {
            name: Child(name, amor_command(name, "--config", str(self.config)), environment, folder / f"{name}.log")
            for name in ("bridge", "rules", "relay")
        }
        self.environment = environment
        host, port = mqtt_url.removeprefix("mqtt://").rsplit(":", 1)
        self.device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"device-{self.topic}")
        self.device.connect(host, int(port))

    async def start(self) -> None:
        migrate = Child("migrate", amor_command("migrate", "--config", str(self.config)), self.environment)
        await migrate.start()
        assert migrate.process is not None
        assert await migrate.process.wait() == 0
        for child in (self.erp, *self.processes.values()):
            await child.start()
        self.device.loop_start()

    async def end(self) -> None:
        self.device.loop_stop()
        self.device.disconnect()
        await asyncio.gather(*(child.end() for child in (*self.processes.values(), self.erp)))

    async def kill_and_start(self, name: str) -> None:
        child = self.processes[name]
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)
        await child.process.wait()
        await child.start()

    def send(self, machine: str, values: dict[str, Any]) -> None:
        """One message of many readings; returns when the broker has it."""
        line, name = machine.split("/")[-2:]
        self.device.publish(f"{self.topic}/{line}/{name}/values", json.dumps(values), qos=1).wait_for_publish(30)

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(self.dsn, row_factory=dict_row) as connection:
            return await (await connection.execute(query.encode())).fetchall()

    async def truth(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(self.erp_url + "/_truth")).json()

    async def fail(self, mode: str, count: int, match: str) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            body = {"mode": mode, "count": count, "match": match, "seconds": 2}
            (await client.post(self.erp_url + "/_control/fail", json=body)).raise_for_status()


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a thing to hold; the test's time limit bounds it."""
    while True:
        try:
            if result := await holds():
                return result
        except (httpx.HTTPError, psycopg.OperationalError):
            pass
        await asyncio.sleep(0.1)


@asynccontextmanager
async def running(plant: Plant) -> AsyncIterator[Plant]:
    try:
        await plant.start()
        await until(plant.truth)
        await until(lambda: plant.rows("select 1 from source_state"))
        await until(lambda: plant.rows("select 1 from rule where active"))
        yield plant
    finally:
        await plant.end()


@pytest.fixture
async def plant(tmp_path: Path, database_dsn: str, broker: Any) -> AsyncIterator[Plant]:
    async with running(Plant(tmp_path, database_dsn, broker.url)) as started:
        yield started


async def test_rising_vibration_becomes_one_ticket_with_a_picture_here_and_in_the_erp(plant: Plant) -> None:
    await plant.fail("drop_after_commit", 1, "maintenance.request/load")
    began = time.time() - 60
    for second in range(30):
        plant.send(CNC, {"ts": began + second, "state": "EXECUTE", "spindle.vib_rms": 1.5 + 0.2 * second})
        if second in (10, 20):
            await plant.kill_and_start("rules")
            await plant.kill_and_start("bridge")
    plant.send(CNC, {"ts": time.time(), "spindle.vib_rms": 7.3})

    [evidence] = await until(lambda: plant.rows("select * from ticket_evidence where completed_at is not null"))
    assert evidence["picture_type"] == "image/png"
    assert bytes(evidence["picture"]).startswith(b"\x89PNG")
    assert len(evidence["data"]["spindle.vib_rms"]) > 10

    [ticket] = await until(lambda: plant.rows("select * from ticket where external_id is not null"))
    assert (ticket["failure_mode"], ticket["priority"], ticket["occurrences"]) == ("VIB", "high", 1)
    requests = (await plant.truth())["maintenance_requests"]
    assert [request["equipment"] for request in requests] == [CNC]


async def test_finished_piece_is_posted_once_though_the_erp_drops_its_answer_and_processes_are_killed(
    plant: Plant,
) -> None:
    [order] = await until(
        lambda: plant.rows("select number from production_order where state = 'released' order by number limit 1")
    )
    await plant.fail("drop_after_commit", 2, "button_mark_done")
    began, count, modulus = time.time(), 65_530, 65_536  # a posting rule takes pieces from when it was first active
    plant.send(
        FINAL, {"ts": began, "state": "EXECUTE", "order.number": order["number"], "parts.good": count, "parts.scrap": 0}
    )
    for piece in range(1, 13):
        message = {
            "ts": began + piece / 100,
            "order.number": order["number"],
            "parts.good": (count + piece) % modulus,
            "parts.scrap": 0,
        }
        plant.send(FINAL, message)
        if piece % 4 == 0:
            plant.send(FINAL, message)  # a device that was not sure either
            await plant.kill_and_start(["relay", "rules", "bridge"][piece // 4 - 1])

    async def everything_posted() -> bool:
        rows = await plant.rows("select count(*) filter (where state = 'done') as done, count(*) as n from outbox")
        counted = await plant.rows(
            "select coalesce(sum(qty), 0) as pieces from production_count where outbox_id is not null"
        )
        return counted[0]["pieces"] == 12 and rows[0]["done"] == rows[0]["n"] > 0

    await until(everything_posted)
    assert (await plant.truth())["good_posted"] == 12
    assert (await plant.rows("select sum(duplicates) as n from batch"))[0]["n"] >= 3 * 3
