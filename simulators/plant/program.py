"""The running plant: simulation, gateway, server, orders and truth under one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import simpy

from simulators.plant.bearing import Bearing, WearPlan, wear
from simulators.plant.clock import PlantClock, pace
from simulators.plant.flow import Line, Machine, Order, Pace, Steps, build_line
from simulators.plant.layout import LINES, TOPIC_ROOT
from simulators.plant.mqtt_gateway import MqttGateway
from simulators.plant.opcua_line import OpcUaLine
from simulators.plant.orders import ErpAccess, OrderReader, follow
from simulators.plant.sampling import Sensors, sample
from simulators.plant.truth import PlantTruth
from simulators.plant.voices import Announcer, MqttVoice, OpcUaVoice
from simulators.truthfile import write_atomically

FAULTY_MACHINE = "cnc1"
LAST_ACKS_S = 0.8
CLOSING_S = 0.5
BROKEN_EVERY_S = (10.0, 20.0)


@dataclass(frozen=True, slots=True)
class PlantSettings:
    """What the command line sets; see `__main__` for meanings and units."""

    seed: int
    mqtt_url: str
    opcua_url: str
    erp: ErpAccess
    truth: Path | None
    duration_s: float = math.inf
    speed: float = 1.0
    rate_hz: float = 5.0
    duplicate_share: float = 0.0
    broken: bool = True
    pace: Pace = field(default_factory=Pace)
    wear: WearPlan = field(default_factory=WearPlan)


class Plant:
    """Everything of one run; `run` returns when a signal has stopped it."""

    def __init__(self, settings: PlantSettings) -> None:
        self._settings = settings
        finals = frozenset(machines[-1].name for machines in LINES.values())
        self._truth = PlantTruth(settings.seed, finals)
        self._gateway = MqttGateway(settings.mqtt_url, f"{TOPIC_ROOT.replace('/', '-')}-line1")
        self._opcua = OpcUaLine(settings.opcua_url, "line2", LINES["line2"])
        self._reader = OrderReader(settings.erp)
        self._env = simpy.Environment()
        self._halt = asyncio.Event()
        self._lines: dict[str, Line] = {}

    async def run(self) -> None:
        """Produce until the end or a signal, deliver, and serve until a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._halt.set)
        await self._opcua.prepare()
        clock = PlantClock.from_now(self._settings.speed)
        announcer = self._build(clock)
        self._truth.started_at = datetime.now(UTC)
        self._announce_everything(announcer)
        await self._opcua.flush()
        await self._opcua.listen()
        self._gateway.start(self._report)
        self._report("plant started")
        async with self._in_background():
            await pace(self._env, clock, self._settings.duration_s, self._halt, self._opcua.flush)
            await self._end_production(announcer)
            await self._deliver()
            await self._halt.wait()
        await self._close()

    def _build(self, clock: PlantClock) -> Announcer:
        seed = self._settings.seed
        mqtt = MqttVoice(
            self._gateway.send, self._truth, random.Random(f"{seed}:gateway"), self._settings.duplicate_share
        )
        announcer = Announcer(clock, self._truth, {"line1": mqtt, "line2": OpcUaVoice(self._opcua, self._truth)})
        for name, specs in LINES.items():
            self._lines[name] = build_line(self._env, specs, seed, self._settings.pace, announcer)
        machines = [machine for line in self._lines.values() for machine in line.machines]
        for position, machine in enumerate(machines):
            self._equip(machine, position / len(machines), announcer)
        if self._settings.broken:
            self._env.process(self._send_broken(mqtt, clock))
        return announcer

    def _equip(self, machine: Machine, phase: float, announcer: Announcer) -> None:
        settings, name = self._settings, machine.spec.name
        bearing = None
        if machine.spec.kind == "cnc":
            bearing = Bearing(random.Random(f"{settings.seed}:{name}:bearing"), settings.wear.to_alarm_s)
        sensors = Sensors(machine, random.Random(f"{settings.seed}:{name}:sensors"), bearing)
        announcer_period_s = 1 / settings.rate_hz
        # The first values of every node are written at second 0; so the rate begins one period later.
        offset_s = announcer_period_s * (1 + phase)
        self._env.process(sample(sensors, announcer_period_s, offset_s, announcer.measured))
        announcer.measured(machine, sensors.read(0.0, 0.0))
        if bearing is not None and name == FAULTY_MACHINE:
            self._env.process(wear(machine, bearing, settings.wear, settings.duration_s, announcer))

    def _send_broken(self, voice: MqttVoice, clock: PlantClock) -> Steps:
        rng = random.Random(f"{self._settings.seed}:broken")
        while True:
            yield self._env.timeout(rng.uniform(*BROKEN_EVERY_S))
            machine = rng.choice(self._lines["line1"].machines)
            voice.send_broken(machine, clock.utc(self._env.now))

    def _announce_everything(self, announcer: Announcer) -> None:
        for line in self._lines.values():
            for machine in line.machines:
                announcer.changed(machine, machine.everything())

    def _take_order(self, line: str, order: Order) -> None:
        self._truth.order_taken(order.number, line, order.quantity)
        self._lines[line].add_order(order)

    @contextlib.asynccontextmanager
    async def _in_background(self) -> AsyncIterator[None]:
        orders = follow(self._reader, tuple(LINES), 2.0, self._take_order, self._report)
        tasks = [asyncio.create_task(orders), asyncio.create_task(self._write_truth())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_truth(self) -> None:
        while True:
            self._save()
            await asyncio.sleep(1)

    async def _end_production(self, announcer: Announcer) -> None:
        for line in self._lines.values():
            for machine in line.machines:
                machine.account()
                machine.state, machine.reason = "IDLE", "end of shift"
        self._announce_everything(announcer)
        announcer.finish()
        await self._opcua.flush()
        self._truth.stopped_at = datetime.now(UTC)
        self._truth.finished = True
        self._save()
        self._report("production ended")

    async def _deliver(self) -> None:
        """Wait for the last acknowledgements; for ever, but a stop only grants them a moment."""
        waiting = asyncio.ensure_future(self._gateway.wait_delivered())
        halted = asyncio.ensure_future(self._halt.wait())
        await asyncio.wait((waiting, halted), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((waiting,), timeout=LAST_ACKS_S)
        for task in (waiting, halted):
            task.cancel()
        self._truth.delivered = self._gateway.delivered
        self._save()
        self._report("delivered" if self._truth.delivered else "stopped before everything was delivered")

    async def _close(self) -> None:
        self._save()
        closing = (self._gateway.stop(), self._opcua.stop(), self._reader.close())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), CLOSING_S)
        self._report("plant stopped")

    def _save(self) -> None:
        if self._settings.truth is not None:
            write_atomically(self._settings.truth, self._truth.document())

    def _report(self, event: str) -> None:
        document = self._truth.document()
        counts = {key: document[key] for key in ("readings_sent", "good_made", "scrap_made")}
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "event": event, **counts})
        print(line, flush=True)  # noqa: T201  # a program that speaks to people
