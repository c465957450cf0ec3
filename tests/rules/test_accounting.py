from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.production import MachineState
from bridge.model.reading import microseconds
from bridge.store.cursor import FollowedReading, FollowedTag
from bridge.store.rule import Version
from rules.engine.asset import sample_of
from rules.engine.fitting import RuleIndex
from rules.engine.lanes import Lanes
from rules.engine.plant import Plant
from rules.production.counter import Count, CounterSpec, Step, follow, is_count, step
from rules.rulebook import load_rules
from tests.integration.rules.rules_stage import CNC, RULES, settings_for

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def total(values: list[int], spec: CounterSpec) -> int:
    return sum(pieces_of(values, spec))


def pieces_of(values: list[int], spec: CounterSpec) -> list[int]:
    last: Count | None = None
    pieces = []
    for value in values:
        last, taken = follow(last, float(value), spec)
        pieces.append(taken.pieces)
    return pieces


def test_rollover_and_reset_give_the_published_totals():
    assert total([65530, 65534, 3, 10], CounterSpec(65536, 500)) == 16
    assert total([120, 140, 0, 5, 9], CounterSpec(None, 500)) == 29


@pytest.mark.parametrize(("last", "value", "expected"), [
    (None, 7, Step(0, "first")),
    (7, 7, Step(0, None)),
    (7, 507, Step(500, None)),
    (7, 508, Step(0, "jump")),
    (65535, 0, Step(1, None)),
    (65036, 0, Step(500, None)),
    (65035, 0, Step(0, "reset")),
    (40_000, 3, Step(3, "reset")),
    (40_000, 3000, Step(0, "correction")),
    (401, 400, Step(0, "correction")),
    (5, 3, Step(0, "correction")),
])  # fmt: skip
def test_step_of_a_counter(last, value, expected):
    assert step(last, value, CounterSpec(65536, 500)) == expected


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(0, 65535))
def test_wrapping_counter_loses_and_gains_nothing(steps, start):
    values, count = [start], start
    for more in steps:
        count += more
        values.append(count % 65536)
    assert total(values, CounterSpec(65536, 500)) == sum(steps)


@pytest.mark.parametrize(("values", "made"), [
    ([400, 401, 400, 401], 1),  # one piece taken back and made again
    ([400, 401, 0, 401, 402], 2),
    ([400, 401, 0, 0, 403], 3),
    ([400, 401, 3, 401, 402, 405], 5),  # the 3 that were counted are taken off what follows
    ([400, 401, 40_000, 401, 402], 2),
    ([400, 395, 396, 397, 398, 399, 400, 401], 6),
    ([139, 140, 0, *range(1, 150)], 150),
    ([5, 9, 0, 1, 2, 3, 140], 144),
    ([65530, 65534, 3, 65535, 2, 5], 11),
])  # fmt: skip
def test_corrections_and_glitches_count_what_was_made(values, made):
    assert total(values, CounterSpec(65536, 500)) == made


@given(
    st.lists(st.tuples(st.integers(0, 100), st.floats(0, 1), st.integers(0, 3)), max_size=40),
    st.integers(0, 3000),
    st.sampled_from([None, 65536]),
)
def test_falls_that_come_back_never_make_pieces(story, start, modulus):
    """Each reading of the truth may be followed by a wrong one, lower, that is repeated up to three times."""
    spec, truth, values = CounterSpec(modulus, 500), start, [start]
    for made, share, repeated in story:
        values += [int(truth * share)] * repeated
        truth += made
        values.append(truth)
    last: Count | None = None
    pieces = 0
    for value in values:
        last, taken = follow(last, float(value), spec)
        pieces += taken.pieces
    assert last is not None
    assert pieces - last.ahead == truth - start
    assert last.ahead <= 20 * len(story)


def test_what_no_counter_can_show_is_refused():
    assert [is_count(v) for v in (None, -1.0, 1.5, float("nan"), float("inf"), 0.0, 65535.0)] == [False] * 5 + [
        True
    ] * 2


NAMES = (
    "state",
    "state.reason",
    "order.number",
    "parts.good",
    "parts.scrap",
    "scrap.reason",
    "spindle.vib_rms",
    "spindle.rpm",
)
LATENESS = timedelta(seconds=1)


class Bench:
    """A plant of one asset in memory, fed readings one by one as batches of one."""

    def __init__(self, folder: Path, saved=None, read=None) -> None:
        configured = settings_for("postgresql:///x", folder)
        self.rulebook = load_rules(configured.rules.files)
        self.settings = configured
        self.saved: dict[tuple[str, str], dict[str, object]] = {}
        self.plant = self._plant({}, {})
        self.seen: list[FollowedReading] = []
        self.effects: list[object] = []
        self.told: list[object] = []

    def _plant(self, saved, read) -> Plant:
        versions = {rule.id: Version(1, T0) for rule in self.rulebook.rules}
        plant = Plant(
            self.settings, RuleIndex(self.rulebook), versions, {}, read, saved, Lanes(frozenset()),
        )  # fmt: skip
        plant.learn([
            FollowedTag(i, name, "number", "mm/s" if "vib" in name else "", "line1", 1, CNC, None, False)
            for i, name in enumerate(NAMES, 1)
        ])  # fmt: skip
        return plant

    def feed(self, reading: FollowedReading, received_at: datetime) -> None:
        self.seen.append(reading)
        asset = self.plant.assets[1]
        asset.hold(reading, received_at)
        self._release(None)

    def _release(self, now) -> None:
        self.plant.touched.add(self.plant.assets[1])
        released = self.plant.release(self.plant.due(now), now)
        self.saved |= {(s.rule_id, s.instance): s.state for s in self.plant.changed_states()}
        self.plant.settle()
        self.effects += released.effects
        for instance, told in released.told:
            self.told.append((instance.rule.id, told.transition, told.inputs))

    def restart(self) -> None:
        """Through what is stored, as the engine does after a crash."""
        self.plant = self._plant(dict(self.saved), {})
        asset = self.plant.assets[1]
        if asset.released is None:
            return
        for instance in asset.instances:
            done = sorted(r for r in self.seen if r.tag_id in instance.inputs and r.ts <= asset.released)
            instance.warm([sample_of(r) for r in done], asset.situation, microseconds(asset.ruled or asset.released))
        for reading in self.seen:
            if reading.ts > asset.released:
                asset.hold(reading, None)

    def finish(self) -> tuple[list[object], list[object]]:
        self._release(T0 + timedelta(hours=1))
        return self.effects, self.told


def story(rng: random.Random) -> list[FollowedReading]:
    """A minute of a machine: states, orders, wrapping counters and a vibration that goes up and down."""
    readings, good, scrap = [], 65530, 65535
    for n in range(80):
        ts = T0 + timedelta(seconds=0.5 * n)
        level = (1.0, 3.0, 5.0, 2.6, 1.0)[n // 16]
        values: dict[str, object] = {"spindle.vib_rms": level if rng.random() < 0.95 else 4.2}
        if rng.random() < 0.3:
            good = (good + 1) % 65536
            values |= {"parts.good": good, "order.number": f"MO/{n // 40}", "state": "EXECUTE"}
        if rng.random() < 0.1:
            scrap = (scrap + 1) % 65536
            values |= {"parts.scrap": scrap, "scrap.reason": rng.choice(["burr", "length"])}
        if rng.random() < 0.1:
            values |= {"state": rng.choice(["STARVED", "ABORTED", "DANCING"]), "state.reason": rng.choice(["", "jam"])}
        for name, value in values.items():
            text = value if isinstance(value, str) else None
            number = None if text is not None else float(value)
            readings.append(FollowedReading(NAMES.index(name) + 1, ts, 0, number, text, 0, 1, 1))
    return readings


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 400), max_size=4))
def test_any_order_of_arrival_within_the_lateness_and_any_restart_give_the_same_result(
    tmp_path_factory, seed, restarts
):
    folder = tmp_path_factory.mktemp("rules")
    rng = random.Random(seed)
    readings = story(rng)
    straight = Bench(folder)
    for reading in readings:
        straight.feed(reading, reading.ts)
    shuffled = Bench(folder)
    # The newest time seen must not be a whole lateness ahead of what still comes.
    arrival = sorted(readings, key=lambda r: (r.ts + rng.random() * LATENESS * 0.99, rng.random()))
    for n, reading in enumerate(arrival):
        shuffled.feed(reading, reading.ts)
        if n in restarts:
            shuffled.restart()
    effects, told = straight.finish()
    assert shuffled.finish() == (effects, told)
    assert effects
    assert told


def test_unknown_word_is_an_unknown_state(tmp_path):
    bench = Bench(tmp_path)
    bench.feed(FollowedReading(1, T0, 0, None, "DANCING", 0, 1, 1), T0)
    bench.finish()
    assert bench.plant.assets[1].accounting.state is MachineState.UNKNOWN


def test_rule_that_fails_is_parked_and_its_neighbours_go_on(tmp_path, monkeypatch):
    two = RULES + RULES[RULES.index("- id: vibration") : RULES.index("- id: finished")].replace(
        "id: vibration", "id: other"
    ).replace("v > 4.5", "v > 4.6")
    (tmp_path / "rules.yaml").write_text(two)
    bench = Bench(tmp_path)
    (tmp_path / "rules.yaml").write_text(two)
    bench.rulebook = load_rules([str(tmp_path / "rules.yaml")])
    bench.plant = bench._plant({}, {})
    broken, sound = bench.plant.assets[1].instances
    broken.row = None  # type: ignore[assignment]
    bench.feed(FollowedReading(7, T0, 0, 5.0, None, 0, 1, 1), T0)
    bench.finish()
    assert broken.is_parked
    assert [rule for rule, *_ in bench.told][:1] == ["other"]
    assert sound.memory.is_open
