"""One rule on one asset: columns, restarts at any point, readings one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.alarm import AlarmState
from bridge.model.production import MachineState
from bridge.model.quality import BAD, UNCERTAIN
from rules.instance import Instance, Situation, Told, feed
from rules.rulebook import load_rules
from rules.rulebook.model import Rule
from rules.sample import Sample

SECOND = 1_000_000
T0 = 1_767_225_600 * SECOND
HEAD = "apiVersion: rules/v1\nrules:\n"
PLAIN = """
- id: plain
  inputs: {v: {tag: t, max_age: 9s}}
  levels:
    - {severity: low, if: "v > 2", clear: "v < 1", on_delay: 3s, off_delay: 4s}
    - {severity: high, if: "v > 4", clear: "v < 3", on_delay: 1s, off_delay: 2s, latch: true}
  response: look
"""
PAST = """
- id: past
  inputs: {v: {tag: t, max_age: 9s}, w: {tag: u}}
  when_state: [RUNNING]
  settle: 4s
  levels: [{severity: low, if: "mean(v, 10s) > 2 && (w > 0 || delta(v) > 0)", on_delay: 2s, off_delay: 2s, rearm: 20s}]
  response: look
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    file = tmp_path_factory.mktemp("rules") / "rules.yaml"
    file.write_text(HEAD + PLAIN + PAST)
    return {rule.id: rule for rule in load_rules([str(file)]).rules}


def make(rule: Rule) -> Instance:
    return Instance.create(rule, 1, "acme/m1", False, {"t": 1, "u": 2})


RUNNING, STOPPED = Situation(MachineState.RUNNING, T0), Situation(MachineState.IDLE, T0)
reading = st.tuples(
    st.integers(0, 6 * SECOND),
    st.sampled_from([0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 9.0, float("nan"), float("inf")]),
    st.sampled_from([0, 0, 0, 0, 0, BAD, UNCERTAIN]),
)


@settings(max_examples=300, deadline=None)
@given(story=st.lists(reading, max_size=60), which=st.sampled_from(["plain", "past"]), arrays=st.booleans())
def test_columns_give_what_readings_one_by_one_give(rules, story, which, arrays):
    single, column = make(rules[which]), make(rules[which])
    told: list[Told] = []
    times, at = [], T0
    for gap, value, quality in story:
        at += gap
        times.append(at)
        told += single.observe(at, [Sample(1, at, 0, value, None, quality)], single.situation)
    values, qualities = [v for _, v, _ in story], [q for *_, q in story]
    given_columns = (
        (np.array(times, dtype=np.int64), np.array(values, dtype=float), np.array(qualities, dtype=np.int64))
        if arrays
        else (times, values, qualities)
    )
    assert feed(column, 1, *given_columns) == told
    assert column.dump() == single.dump()
    end = at + 100 * SECOND
    assert column.advance(end) == single.advance(end)


@settings(max_examples=200, deadline=None)
@given(
    story=st.lists(st.tuples(reading, st.sampled_from([1, 2]), st.sampled_from([RUNNING, STOPPED])), max_size=50),
    restarts=st.sets(st.integers(0, 50)),
    which=st.sampled_from(["plain", "past"]),
)
def test_dump_and_restore_at_any_point_change_nothing(rules, story, restarts, which):
    straight, stopped, at = make(rules[which]), make(rules[which]), T0
    for n, ((gap, value, quality), tag, situation) in enumerate(story):
        at += gap
        sample = [Sample(tag, at, 0, value, None, quality)]
        if n in restarts:
            stored = json.loads(json.dumps(stopped.dump()))
            stopped = make(rules[which])
            stopped.restore(stored)
        assert stopped.observe(at, sample, situation) == straight.observe(at, sample, situation)
    assert stopped.advance(at + 100 * SECOND) == straight.advance(at + 100 * SECOND)


@settings(max_examples=200, deadline=None)
@given(story=st.lists(reading, max_size=40), looks=st.lists(st.integers(0, 100 * SECOND), max_size=20))
def test_timers_that_are_asked_more_often_tell_the_same(rules, story, looks):
    rare, often, at = make(rules["plain"]), make(rules["plain"]), T0
    told: tuple[list[Told], list[Told]] = ([], [])
    waiting = sorted(T0 + look for look in looks)
    for gap, value, quality in story:
        at += gap
        while waiting and waiting[0] < at:
            told[1].extend(often.advance(waiting.pop(0)))
        for instance, found in zip((rare, often), told, strict=True):
            found.extend(instance.observe(at, [Sample(1, at, 0, value, None, quality)], RUNNING))
    assert [each.transition for each in told[0]] == [each.transition for each in told[1]]


def test_stale_value_is_unknown_at_its_instant_and_never_normal(rules):
    instance = make(rules["plain"])
    instance.observe(T0, [Sample(1, T0, 0, 5.0, None, 0)], RUNNING)
    told = instance.advance(T0 + 60 * SECOND)
    assert [(t.transition.kind, (t.transition.at_us - T0) // SECOND) for t in told] == [("RAISE", 1), ("QUALITY", 9)]
    assert (instance.memory.state, instance.memory.quality) == (AlarmState.ACTIVE_UNACK, "NO_DATA")


def test_rule_settles_before_it_looks(rules):
    instance = make(rules["past"])
    instance.observe(T0, [Sample(1, T0, 0, 5.0, None, 0), Sample(2, T0, 0, 1.0, None, 0)], RUNNING)
    assert instance.due_us() == T0 + 4 * SECOND
    told = instance.advance(T0 + 8 * SECOND)
    assert [(t.transition.kind, (t.transition.at_us - T0) // SECOND) for t in told] == [("RAISE", 6)]
    assert told[0].because["histories"]["mean(v, 10s)"] == 5.0


def test_hundred_thousand_instances_share_what_is_the_rules_own(rules):
    one, other = make(rules["plain"]), make(rules["plain"])
    assert one.plan is other.plan
    assert one.memory is other.memory


def test_rule_with_a_history_that_stands_still_is_ended_not_looped(rules):
    instance = make(rules["past"])

    class Stuck:
        def take(self, at_us, values): ...
        def value(self, now_us):
            return 1.0

        def due_us(self):
            return T0

    instance.histories = (Stuck(), *instance.histories[1:])  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="again and again"):
        instance.advance(T0 + SECOND)
