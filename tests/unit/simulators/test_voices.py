"""What line 1 says, read back from its messages, is what the truth counts."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import simpy

from simulators.plant.bearing import Bearing
from simulators.plant.clock import PlantClock
from simulators.plant.flow import Order, Pace, build_line
from simulators.plant.layout import LINES
from simulators.plant.sampling import Sensors, sample
from simulators.plant.truth import PlantTruth
from simulators.plant.voices import Announcer, MqttVoice


def readings(topic: str, payload: bytes) -> int:
    try:
        content: Any = json.loads(payload)
    except ValueError:
        return 1
    if isinstance(content, list):
        return len(content)
    return 1 if "/tag/" in topic else len(content) - 1


def run_line(seconds: float, duplicate_share: float = 0.0) -> tuple[list[tuple[str, bytes]], dict[str, Any]]:
    sent: list[tuple[str, bytes]] = []

    def send(topic: str, payload: bytes) -> bool:
        sent.append((topic, payload))
        return True

    env, truth = simpy.Environment(), PlantTruth(7, frozenset({"insp1"}))
    voice = MqttVoice(send, truth, random.Random(1), duplicate_share)
    announcer = Announcer(PlantClock(1.0, datetime(2026, 11, 21, tzinfo=UTC), 0.0), truth, {"line1": voice})
    line = build_line(env, LINES["line1"], 7, Pace(), announcer)
    line.add_order(Order("MES-0001", 400))
    truth.order_taken("MES-0001", "line1", 400)
    for machine in line.machines:
        bearing = Bearing(random.Random(2), 18.0) if machine.spec.kind == "cnc" else None
        env.process(sample(Sensors(machine, random.Random(3), bearing), 0.2, 0.1, announcer.measured))
    env.run(until=seconds)
    voice.send_broken(line.machines[0], datetime(2026, 11, 21, tzinfo=UTC))
    announcer.finish()
    return sent, dict(truth.document())


def test_readings_sent_are_the_readings_in_the_messages() -> None:
    sent, truth = run_line(90.3)
    assert sum(readings(topic, payload) for topic, payload in sent) == truth["readings_sent"]
    assert len(sent) == truth["messages_sent"]
    assert truth["bad_sent"] == 1


def test_messages_sent_twice_are_counted_apart() -> None:
    sent, truth = run_line(90.3, duplicate_share=0.1)
    assert truth["duplicates_sent"] > 0
    assert len(sent) == truth["messages_sent"] + truth["duplicates_sent"]
    assert sum(readings(*message) for message in set(sent)) == truth["readings_sent"]


def test_every_form_of_message_is_in_use() -> None:
    forms = {topic.removeprefix("acme/dortmund/machining/line1/").split("/", 1)[1] for topic, _ in run_line(30.0)[0]}
    assert forms == {"event", "gauges", "batch", "tag/coolant.temp"}


def test_finished_goods_are_counted_at_the_final_operation_only() -> None:
    _, truth = run_line(120.0)
    assert truth["good_made"] == truth["by_machine"]["insp1"]["good"] == truth["by_order"]["MES-0001"]["good"]
    assert truth["good_made"] < truth["by_machine"]["saw1"]["good"]
    assert truth["scrap_made"] == truth["by_order"]["MES-0001"]["scrap"]
