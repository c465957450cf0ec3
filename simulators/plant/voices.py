"""How each line tells what happens: line 1 in MQTT messages, line 2 in OPC UA values; both counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from simulators.plant import payloads
from simulators.plant.clock import PlantClock
from simulators.plant.flow import Machine
from simulators.plant.layout import SPINDLE_GAUGES, Value
from simulators.plant.opcua_line import OpcUaLine
from simulators.plant.truth import PlantTruth

SAMPLES_A_BATCH = 2
SINGLE_TAG = "coolant.temp"


class Voice(Protocol):
    """Publishes what one line has to say."""

    def tell(self, machine: Machine, instant: datetime, readings: dict[str, Value]) -> None:
        """Publish event tags of one instant."""

    def measure(self, machine: Machine, instant: datetime, readings: dict[str, float]) -> None:
        """Publish gauges of one instant."""

    def finish(self) -> None:
        """Publish what is still held back."""


class MqttVoice:
    """Line 1: the forms of `payloads`, below `acme/dortmund/machining/line1/<machine>/`."""

    def __init__(
        self, send: Callable[[str, bytes], bool], truth: PlantTruth, rng: random.Random, duplicate_share: float
    ) -> None:
        self._send = send
        self._truth = truth
        self._rng = rng
        self._duplicate_share = duplicate_share
        self._batches: dict[str, list[tuple[str, datetime, float]]] = {}

    def tell(self, machine: Machine, instant: datetime, readings: dict[str, Value]) -> None:
        """Publish one event message."""
        self._publish(f"{machine.spec.path}/event", payloads.event(instant, readings), len(readings))

    def measure(self, machine: Machine, instant: datetime, readings: dict[str, float]) -> None:
        """Publish one gauges message; the spindle goes in batches, the coolant alone."""
        motor = {tag: value for tag, value in readings.items() if tag not in (*SPINDLE_GAUGES, SINGLE_TAG)}
        self._publish(f"{machine.spec.path}/gauges", payloads.gauges(instant, motor), len(motor))
        if SINGLE_TAG in readings:
            payload = payloads.single(instant, SINGLE_TAG, readings[SINGLE_TAG])
            self._publish(f"{machine.spec.path}/tag/{SINGLE_TAG}", payload, 1)
        spindle = [(tag, instant, readings[tag]) for tag in SPINDLE_GAUGES if tag in readings]
        if spindle:
            self._collect(machine.spec.path, spindle)

    def send_broken(self, machine: Machine, instant: datetime) -> None:
        """Publish a payload that nobody can read."""
        whole = payloads.gauges(instant, {"motor.current": 8.41, "motor.temp": 44.2})
        if self._send(f"{machine.spec.path}/gauges", payloads.broken(self._rng, whole)):
            self._truth.sent_bad()
        else:
            self._truth.refused()

    def finish(self) -> None:
        """Publish batches that are not full."""
        for path in list(self._batches):
            self._publish_batch(path)

    def _collect(self, path: str, readings: list[tuple[str, datetime, float]]) -> None:
        batch = self._batches.setdefault(path, [])
        batch.extend(readings)
        if len(batch) >= SAMPLES_A_BATCH * len(readings):
            self._publish_batch(path)

    def _publish_batch(self, path: str) -> None:
        batch = self._batches.pop(path)
        self._publish(f"{path}/batch", payloads.batch(batch), len(batch))

    def _publish(self, topic: str, payload: bytes, readings: int) -> None:
        if not self._send(topic, payload):
            self._truth.refused()
            return
        self._truth.sent("mqtt", readings, 1)
        if self._duplicate_share and self._rng.random() < self._duplicate_share and self._send(topic, payload):
            self._truth.sent_twice()


class OpcUaVoice:
    """Line 2: nodes of the server."""

    def __init__(self, line: OpcUaLine, truth: PlantTruth) -> None:
        self._line = line
        self._truth = truth

    def tell(self, machine: Machine, instant: datetime, readings: dict[str, Value]) -> None:
        """Write event tags."""
        self._line.write(machine.spec.name, instant, readings)
        self._truth.sent("opcua", len(readings))

    def measure(self, machine: Machine, instant: datetime, readings: dict[str, float]) -> None:
        """Write gauges."""
        self.tell(machine, instant, dict(readings))

    def finish(self) -> None:
        """Nothing is held back."""


class Announcer:
    """Listens to the flow: counts the truth and lets the line's voice tell it, with source timestamps."""

    def __init__(self, clock: PlantClock, truth: PlantTruth, voices: dict[str, Voice]) -> None:
        self._clock = clock
        self._truth = truth
        self._voices = voices

    def changed(self, machine: Machine, readings: dict[str, Value]) -> None:
        """Tell event tags."""
        self._voices[machine.spec.line].tell(machine, self._stamp(machine), readings)

    def measured(self, machine: Machine, readings: dict[str, float]) -> None:
        """Tell gauges."""
        self._voices[machine.spec.line].measure(machine, self._stamp(machine), readings)

    def piece_made(self, machine: Machine, order: str, good: bool) -> None:
        """Count a piece."""
        self._truth.piece(machine.spec.name, order, good)

    def state_left(self, machine: Machine, state: str, seconds: float) -> None:
        """Count time in a state."""
        self._truth.state(machine.spec.name, state, seconds)

    def fault_developed(self, machine: Machine, started_s: float, crossed_s: float) -> None:
        """Count a fault."""
        started, crossed = self._clock.utc(started_s), self._clock.utc(crossed_s)
        self._truth.fault(machine.spec.path, "VIB", started, crossed)

    def finish(self) -> None:
        """Let the voices publish what they hold back."""
        for voice in self._voices.values():
            voice.finish()

    def _stamp(self, machine: Machine) -> datetime:
        return self._clock.stamp(machine.spec.name, machine.line.env.now)
