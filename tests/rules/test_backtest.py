"""A backtest says what the instances say, and books it: alarms, tickets, floods, time in alarm, differences."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.production import MachineState
from rules.backtest import AssetSpec, Chunk, Column, run
from rules.backtest.cases import run_cases
from rules.backtest.diff import changed_rules, compare
from rules.backtest.ledger import floods
from rules.backtest.picture import draw
from rules.instance import Instance, Situation, feed
from rules.production.accounting import Role
from rules.rulebook import load_rules
from rules.sample import Sample

T0 = 1_772_344_800_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
TAGS = {"v": 1, "n": 2, "state": 3}

RULES = """
apiVersion: rules/v1
rules:
- id: vib
  inputs: {v: {tag: v, max_age: 30s}}
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 5s, off_delay: 10s}
    - {severity: high, if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 10s}
  response: look
  actions: [{ticket: {failure_mode: VIB, from: high}}]
- id: average
  inputs: {v: {tag: v}}
  levels: [{severity: low, if: "mean(v, 20s) > 2.6"}]
  response: look
- id: while_running
  when_state: [RUNNING]
  settle: 4s
  inputs: {v: {tag: v}}
  levels: [{severity: low, if: "v > 2.6"}]
  response: look
- id: together
  inputs: {v: {tag: v}, n: {tag: n}}
  levels: [{severity: low, if: "v > 2.6 && n > 0"}]
  response: look
"""


@pytest.fixture(scope="session")
def rulebook(tmp_path_factory):
    return read(tmp_path_factory.mktemp("rules"), RULES)


def read(folder: Path, text: str):
    file = folder / "rules.yaml"
    file.write_text(text)
    return load_rules([str(file)])


def column(tag, points, texts=None):
    values = [np.nan if not isinstance(x, (int, float)) else x for _, x in points]
    words = [x if isinstance(x, str) else None for _, x in points] if texts else None
    return Column(
        TAGS[tag],
        T0 + np.array([round(t * SECOND) for t, _ in points], dtype=np.int64),
        np.array(values, dtype=float),
        words,
    )


def asset(*tags, path="acme/line1/m1", **more):
    return AssetSpec(path, {tag: TAGS[tag] for tag in tags}, **more)


def tried(rulebook, names, chunks):
    return run([rule for rule in rulebook.rules if rule.id in names], chunks)


def one_chunk(*columns, spec=None, until=10_000):
    return [Chunk(spec or asset("v"), columns, T0 + until * SECOND)]


def told_of(report):
    return [((event.at_us - T0) / SECOND, event.kind, event.severity) for event in report.events]


def test_alarms_and_tickets_are_counted_with_the_time_in_alarm(rulebook):
    points = [(t, 5.0 if t % 100 < 20 else 1.0) for t in range(300)]
    report = tried(rulebook, {"vib"}, one_chunk(column("v", points), until=299))
    assert told_of(report)[:3] == [(2, "RAISE", "high"), (30, "RETURN", "high"), (102, "RAISE", "high")]
    seen = report.rules["vib"]
    assert (seen.alarms, seen.tickets, seen.in_alarm_us, seen.longest_us) == (3, 1, 3 * 28 * SECOND, 28 * SECOND)
    assert dict(seen.by_severity) == {"high": 3}
    assert report.sentence() == "would have raised 3 alarms and 1 ticket"
    assert (report.readings, report.assets, report.tickets[0].alarms) == (300, 1, 3)


def test_second_ticket_is_opened_when_the_first_has_been_closed(rulebook):
    day = 86_400
    points = [(t, 5.0 if t % 100 < 20 else 1.0) for base in (0, 2 * day) for t in range(base, base + 90)]
    report = tried(rulebook, {"vib"}, one_chunk(column("v", points), until=3 * day))
    assert [ticket.alarms for ticket in report.tickets] == [1, 1]
    report = tried(rulebook, {"vib"}, one_chunk(column("v", [(0, 5.0), (3, 5.0)]), until=3 * day))
    assert (report.alarm_count, report.alarms[0].returned_us) == (1, None)


PARENTS = """
apiVersion: rules/v1
rules:
- id: no-power
  inputs: {v: {tag: v}}
  levels: [{severity: high, if: "v < 0"}]
  response: look
- id: no-flow
  parent: no-power
  inputs: {n: {tag: n}}
  levels: [{severity: low, if: "n < 0"}]
  response: look
  actions: [{ticket: {failure_mode: FLO}}]
- id: trial
  shadow: true
  inputs: {n: {tag: n}}
  levels: [{severity: low, if: "n < 0"}]
  response: look
  actions: [{ticket: {failure_mode: FLO}}]
"""


def test_alarm_below_a_parents_alarm_is_suppressed_and_asks_for_its_ticket_when_it_is_heard(tmp_path):
    line = asset("v", path="acme/line1")
    machine = asset("n", path="acme/line1/m1")
    other = asset("n", path="acme/line11")
    power = column("v", [(0, 1.0), (100, -1.0), (200, 1.0)])
    flow = column("n", [(0, 1.0), (110, -1.0), (120, 1.0), (190, -1.0), (250, 1.0)])
    chunks = [Chunk(spec, (each,), T0 + 300 * SECOND) for spec, each in ((machine, flow), (other, flow), (line, power))]
    report = run(read(tmp_path, PARENTS).rules, chunks)
    assert [
        alarm.suppressed_by for alarm in report.alarms if alarm.rule == "no-flow" and alarm.asset == machine.path
    ] == ["no-power"] * 2
    assert [alarm.suppressed_by for alarm in report.alarms if alarm.asset == other.path] == [None] * 4
    assert [(t.asset, (t.opened_us - T0) // SECOND, t.alarms) for t in report.tickets] == [
        (other.path, 110, 2),
        (machine.path, 200, 1),
    ]
    assert report.sentence() == "would have raised 9 alarms (2 suppressed) and 2 tickets"


def test_alarm_that_still_stands_is_in_alarm_up_to_the_end(rulebook):
    report = tried(rulebook, {"average"}, one_chunk(column("v", [(t, 3.0) for t in range(100)]), until=99))
    assert report.rules["average"].in_alarm_us == 99 * SECOND


def test_rule_works_on_the_assets_that_have_its_inputs_and_says_why_it_works_on_none(rulebook):
    report = tried(rulebook, {"vib", "together"}, one_chunk(column("v", [(0, 1.0)])))
    assert report.rules["vib"].trouble == ""
    assert (report.rules["together"].assets, report.rules["together"].trouble) == (0, "needs the tag n")
    assert "no readings" in tried(rulebook, {"vib"}, []).rules["vib"].trouble


def test_rule_that_throws_is_told_and_its_neighbours_go_on(rulebook, monkeypatch):
    def broken(instance, *_):
        if instance.rule.id == "average":
            raise ZeroDivisionError("by nothing")
        return feed(instance, *_)

    monkeypatch.setattr("rules.backtest.asset.feed", broken)
    report = tried(rulebook, {"vib", "average"}, one_chunk(column("v", [(t, 5.0) for t in range(30)])))
    assert report.rules["average"].trouble == "failed on acme/line1/m1: ZeroDivisionError: by nothing"
    assert report.rules["vib"].alarms == 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), cuts=st.lists(st.integers(1, 599), max_size=6, unique=True))
def test_columns_in_any_chunks_tell_what_single_readings_tell(rulebook, seed, cuts):
    """The engine's way, instant by instant, for every rule at once, against columns cut anywhere."""
    chance = random.Random(seed)
    values, speeds, states, t = [], [], [], 0.0
    level = 2.0
    for _ in range(250):
        t += chance.choice((0.5, 1.0, 1.0, 7.0, 33.0))
        level = min(6.0, max(1.0, level + chance.gauss(0, 0.7)))
        values.append((t, "bad" if chance.random() < 0.05 else level))
        if chance.random() < 0.3:
            speeds.append((t + chance.choice((0.0, 0.3)), chance.choice((-1.0, 1.0))))
        if chance.random() < 0.15:
            states.append((t + chance.choice((0.0, 0.2)), chance.choice(("RUNNING", "IDLE", "RUNNING", "?"))))
    end = t + 50
    spec = asset(
        "v", "n", "state", roles={3: Role.STATE}, states={"RUNNING": MachineState.RUNNING, "IDLE": MachineState.IDLE}
    )
    whole = [column("v", values), column("n", speeds), column("state", states, texts=True)]
    borders = [T0 + round(end * cut / 600 * SECOND) for cut in sorted(cuts)] + [T0 + round(end * SECOND)]
    chunks, begin = [], 0
    for border in borders:
        parts = []
        for each in whole:
            first, last = np.searchsorted(each.times_us, [begin, border], side="right")
            parts.append(each.part(int(first) if begin else 0, int(last)))
        chunks.append(Chunk(spec, tuple(parts), border))
        begin = border
    report = run(rulebook.rules, chunks)
    for rule in rulebook.rules:
        wanted = one_by_one(rule, spec, whole, T0 + round(end * SECOND))
        assert [(e.at_us, e.kind, e.severity) for e in report.events if e.rule == rule.id] == wanted


def one_by_one(rule, spec, columns, until_us):
    instance = Instance.create(rule, 0, spec.path, is_final=False, tags=dict(spec.tags))
    samples = []
    for each in columns:
        for at_us, value, text in zip(
            each.times_us.tolist(), each.values.tolist(), each.texts or [None] * len(each.times_us), strict=True
        ):
            samples.append(Sample(each.tag_id, at_us, 0, None if np.isnan(value) else value, text, 0))
    told, now = [], Situation()
    for at_us in sorted({sample.at_us for sample in samples}):
        here = [sample for sample in samples if sample.at_us == at_us]
        before = now
        for sample in here:
            if sample.tag_id == TAGS["state"]:
                state = spec.states.get(sample.text, MachineState.UNKNOWN)
                now = now if state is now.state else Situation(state, at_us, None)
        seen = [sample for sample in here if sample.tag_id in instance.inputs]
        if seen or now is not before:
            told += instance.observe(at_us, seen, now)
    told += instance.advance(until_us)
    found = [(t.transition.at_us, t.transition.kind, str(t.transition.severity)) for t in told]
    return [each for each in found if each[1] != "QUALITY"]


def test_flood_begins_above_ten_in_ten_minutes_and_ends_below_five():
    raises = [n * MINUTE // 2 for n in range(12)] + [60 * MINUTE]
    (flood,) = floods(raises)
    assert (flood.began_us, flood.alarms) == (0, 12)
    assert flood.ended_us == 7 * MINUTE // 2 + 10 * MINUTE  # when the eighth of twelve leaves, four are left
    assert floods([n * MINUTE for n in range(100)]) == []
    assert floods([n * MINUTE // 2 for n in range(12)])[0].ended_us is None


def test_difference_tells_which_rules_changed_and_which_alarms_appear(rulebook, tmp_path):
    changed = read(
        tmp_path,
        RULES.replace('"v > 2.8", clear: "v < 2.5"', '"v > 1.8", clear: "v < 1.5"').replace("id: together", "id: both"),
    )
    chunks = one_chunk(column("v", [(t, 2.7 if t < 50 else 5.0 if t < 80 else 1.0) for t in range(120)]), until=119)
    was, now = run(rulebook.rules, chunks), run(changed.rules, chunks)
    found = compare(rulebook.rules, changed.rules, was, now)
    assert [(each.rule, each.kind, each.fields) for each in changed_rules(rulebook.rules, changed.rules)] == [
        ("both", "added", ()), ("together", "removed", ()), ("vib", "changed", ("levels",))]  # fmt: skip
    assert [(alarm.rule, alarm.raised_us) for alarm in found.appear] == [("vib", T0 + 5 * SECOND)]
    assert [(alarm.rule, alarm.raised_us) for alarm in found.vanish] == [("vib", T0 + 52 * SECOND)]
    assert found.same == 2
    assert compare(rulebook.rules, rulebook.rules, was, was).appear == ()


def test_report_is_drawn_also_where_there_is_nothing(rulebook):
    points = [(t, 5.0 if t % 60 < 20 else 1.0) for t in range(1200)]
    for chunks in ([], one_chunk(column("v", points), until=1200)):
        report = tried(rulebook, {"vib", "average"}, chunks)
        assert draw(report).startswith(b"\x89PNG\r\n\x1a\n")


CASES = """
apiVersion: rules/v1
rules:
- id: vib
  inputs: {v: {tag: v}}
  when_state: [RUNNING]
  levels: [{severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 60s, off_delay: 120s}]
  response: look
  tests:
    - name: raised by a timer
      feed: {v: [[0s, 2.0], [5s, 3.0], [70s, 3.0]]}
      expect: [[65s, RAISE, medium]]
    - name: a second off
      feed: {v: [[0s, 2.0], [5s, 3.0], [70s, 3.0]]}
      expect: [[66s, RAISE, medium]]
    - name: not running
      states: [[0s, IDLE]]
      feed: {v: [[0s, 3.0], [100s, 3.0]]}
      expect: []
- id: three_times
  inputs: {v: {tag: v}}
  levels: [{severity: low, if: "count(v, 10s) > 2"}]
  response: look
  tests:
    - feed: {v: [[0s, 1], [2s, 1], [4s, 1]]}
      until: 1m
      expect: [[4s, RAISE, low], [10s, RETURN, low]]
"""


def test_cases_of_a_file_pass_or_show_expected_beside_got(tmp_path):
    outcomes = run_cases(read(tmp_path, CASES).rules)
    assert [outcome.passed for outcome in outcomes] == [True, False, True, True]
    beside = [[line and (line.at_us // SECOND, line.kind) for line in pair] for pair in outcomes[1].beside()]
    assert beside == [[None, (65, "RAISE")], [(66, "RAISE"), None]]
