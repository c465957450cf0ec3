"""What rules see of their asset besides readings of good quality: its state, qualities, every sample of a waveform."""

from __future__ import annotations

from bridge.model.production import MachineState
from rules.instance import Instance
from rules.instance.told import Situation
from rules.sample import Sample
from tests.rules.rule_files import messages_of, rules_of

GOOD, UNCERTAIN, BAD = 0, 0x4000_0000, 0x8000_0000
RUNNING, SETUP, UNKNOWN = (
    Situation(state, 0, None) for state in (MachineState.RUNNING, MachineState.SETUP, MachineState.UNKNOWN)
)


def rule(levels: str, more: str = "") -> str:
    return f"- id: r\n  inputs: {{v: {{tag: x, max_age: 30s}}}}\n{more}  levels: {levels}\n  response: look\n"


def play(found, *readings):
    """(second, value, quality, situation) -> what is told at each."""
    instance = Instance.create(found, 1, "a", True, {"x": 7})
    told = []
    for second, value, quality, situation in readings:
        sample = Sample(7, second * 1_000_000, 0, value, None, quality)
        told.append(
            [
                t.transition.kind
                for t in instance.observe(sample.at_us, [sample], situation)
                if t.transition.kind != "QUALITY"
            ]
        )
    return told, instance


def test_bad_quality_neither_raises_nor_clears_and_can_be_asked_for(tmp_path):
    [found] = rules_of(tmp_path, rule('[{severity: low, if: "v > 7.1 && quality == good"}]'))
    told, _ = play(
        found, (0, 8.0, GOOD, RUNNING), (1, 8.0, BAD, RUNNING), (2, 8.0, GOOD, RUNNING), (3, 8.0, UNCERTAIN, RUNNING)
    )
    assert told == [["RAISE"], [], [], ["RETURN"]]
    [found] = rules_of(tmp_path, rule('[{severity: low, if: "quality(v) == bad"}]'))
    told, instance = play(found, (0, 8.0, GOOD, RUNNING), (1, 8.0, BAD, RUNNING), (2, 8.0, GOOD, RUNNING))
    assert told == [[], ["RAISE"], ["RETURN"]]
    instance.advance(60_000_000)
    assert instance.row == [None]  # older than its max_age: there is no quality of what is not there


def test_quality_survives_a_restart(tmp_path):
    [found] = rules_of(tmp_path, rule('[{severity: low, if: "quality(v) == bad"}]'))
    _, instance = play(found, (0, 8.0, GOOD, RUNNING), (1, 8.0, BAD, RUNNING))
    again = Instance.create(found, 1, "a", True, {"x": 7})
    again.restore(instance.dump())
    assert again.row == ["bad"]


def test_state_of_the_machine_is_a_word(tmp_path):
    [found] = rules_of(tmp_path, rule("[{severity: low, if: \"v > 7 && machine.state == 'SETUP'\"}]"))
    told, _ = play(
        found, (0, 8.0, GOOD, RUNNING), (1, 8.0, GOOD, SETUP), (2, 8.0, GOOD, UNKNOWN), (3, 8.0, GOOD, RUNNING)
    )
    assert told == [[], ["RAISE"], [], ["RETURN"]]
    [message] = messages_of(tmp_path, rule("[{severity: low, if: \"machine.state == 'RUNING'\"}]"))
    assert "did you mean RUNNING?" in message
    counted = "- id: c\n  inputs: {n: {tag: n}}\n  on: delta(n) > 0\n  require: \"machine.state == 'SETUP'\"\n"
    assert "cannot be asked of a count" in messages_of(tmp_path, counted)[0]


def test_baseline_may_be_of_each_state(tmp_path):
    more = "  baseline: {of: v, window: 1h, min_samples: 5, by: state}\n"
    [found] = rules_of(tmp_path, rule('[{severity: low, if: "abs(v - baseline.mean) > 3"}]', more))
    apart = [(i, (10.0, 50.0)[i % 2] + i % 3 / 10, GOOD, (RUNNING, SETUP)[i % 2]) for i in range(30)]
    told, _ = play(found, *apart, (30, 50.0, GOOD, RUNNING))
    assert told == [[]] * 30 + [["RAISE"]]
    assert (
        "must be state"
        in messages_of(tmp_path, rule("[{severity: low, if: v > 1}]", more.replace("by: state", "by: sate")))[0]
    )


def test_every_sample_of_a_waveform_is_taken_when_it_is_read_and_not_when_the_speed_is(tmp_path):
    text = """- id: r
  inputs: {a: {tag: a}, rpm: {tag: rpm}}
  levels: [{severity: low, if: "amplitude(a, rpm / 60, 64, 64) > 1"}]
  response: look
"""
    [found] = rules_of(tmp_path, text)
    assert found.condition.histories[0].inputs == {"a"}
    instance = Instance.create(found, 1, "a", True, {"a": 7, "rpm": 8})
    sine = (0.0, 1.0607, 1.5, 1.0607, 0.0, -1.0607, -1.5, -1.0607)  # 8 Hz at 64 samples a second
    told = []
    for second in range(3):
        at_us = second * 1_000_000
        speed = Sample(8, at_us, 0, 480.0, None, GOOD)
        wave = [Sample(7, at_us, ordinal, sine[ordinal % 8], None, GOOD) for ordinal in range(64)]
        told += instance.observe(at_us, [speed, *wave], RUNNING)
    slot = found.condition.slots.index("amplitude(a, rpm / 60, 64, 64)")
    assert abs(instance.row[slot] - 1.5) < 0.01
    assert [each.transition.kind for each in told if each.transition.kind != "QUALITY"] == ["RAISE"]
