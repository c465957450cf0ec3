"""`let`, `baseline`, `stale`, siblings, parents, levels that cannot be reached, and the tests of a rule."""

from __future__ import annotations

import pytest

from bridge.model.production import MachineState
from rules.rulebook import load_rules
from tests.rules.rule_files import messages_of, rules_of, told_by, written

BASE = """- id: drift
  inputs: {t: {tag: coolant.temp, unit: Cel}}
  baseline: {of: t, window: 14d, lag: 3h, where: RUNNING, min_samples: 500, stat: mean_std}
  let: {z: "(ewma(t, 0.28) - baseline.mean) / baseline.std"}
  levels: [{severity: low, if: "abs(z) > 3", clear: "abs(z) < 1.5", off_delay: 1h, rearm: 24h}]
  response: look
"""


def test_names_are_replaced_by_what_they_stand_for(tmp_path):
    [rule] = rules_of(tmp_path, BASE)
    histories = {spec.slot: spec for spec in rule.condition.histories}
    where = " where RUNNING"
    assert set(histories) == {
        "ewma(t, 0.28)",
        "baseline_mean(t, 1209600s, 10800s, 500, 1)" + where,
        "baseline_std(t, 1209600s, 10800s, 500, 1)" + where,
    }
    assert histories["ewma(t, 0.28)"].where == frozenset()
    assert histories["baseline_std(t, 1209600s, 10800s, 500, 1)" + where].where == {MachineState.RUNNING}
    [level] = rule.condition.levels
    values = {"ewma(t, 0.28)": 30.0, "baseline_mean(t, 1209600s, 10800s, 500, 1)" + where: 20.0}
    for std, holds in ((3.0, True), (4.0, False), (None, None), (0.0, None)):
        now = {**values, "baseline_std(t, 1209600s, 10800s, 500, 1)" + where: std}
        assert level.condition.evaluate([now.get(slot) for slot in rule.condition.slots]) is holds
    assert level.rearm.days == 1


def test_baseline_may_be_of_the_median_and_by_a_speed_band(tmp_path):
    text = BASE.replace("where: RUNNING, ", "by: {of: rpm, band: 500}, ").replace("mean_std", "median_mad")
    text = text.replace("baseline.mean", "baseline.median").replace("baseline.std", "baseline.mad")
    [rule] = rules_of(tmp_path, text.replace("inputs: {", "inputs: {rpm: {tag: rpm, unit: /min}, "))
    slots = [spec.slot for spec in rule.condition.histories]
    assert "baseline_median(t, rpm, 1209600s, 10800s, 500, 500)" in slots
    assert rule.condition.histories[-1].inputs == {"t", "rpm"}


def test_let_may_use_those_before_it_and_not_itself(tmp_path):
    text = BASE.replace('let: {z: "', 'let: {d: "t - baseline.mean", z: "d + (')
    text = text.replace('baseline.std"}', 'baseline.std - d)"}')
    [rule] = rules_of(
        tmp_path, text.replace("(ewma(t, 0.28) - baseline.mean) / ", "(ewma(t, 0.28) - baseline.mean) + ")
    )
    assert "t" in rule.condition.slots
    assert any("unknown name z" in m for m in messages_of(tmp_path, BASE.replace("(ewma", "(z + ewma")))


def test_mistake_in_a_name_is_told_once(tmp_path):
    assert len(messages_of(tmp_path, BASE.replace("ewma(t, 0.28)", "emwa(t, 0.28)"))) == 1
    assert len(messages_of(tmp_path, BASE.replace("of: t,", "of: tt,"))) == 1


def test_names_cannot_be_used_to_blow_an_expression_up(tmp_path):
    lets = ["a0: t + t", *(f"a{i}: a{i - 1} + a{i - 1}" for i in range(1, 40))]
    text = f"- id: r\n  inputs: {{t: {{tag: x}}}}\n  let: {{{', '.join(lets)}}}\n  levels: [{{severity: low, if: a39 > 1}}]\n  response: look\n"
    assert any("all that its names stand for" in message for message in messages_of(tmp_path, text))


def test_stale_makes_a_rule_that_watches_the_inputs(tmp_path):
    text = "- id: r\n  inputs: {v: {tag: x}, w: {tag: y}}\n  stale: {after: 3s, raise: low}\n  levels: [{severity: high, if: v + w > 9}]\n  response: look\n"
    rule, watching = rules_of(tmp_path, text)
    assert (rule.id, watching.id) == ("r", "r.stale")
    assert watching.response
    assert watching.sha256 != rule.sha256
    told = told_by(watching, {"v": [1.0] * 8, "w": [1.0, 1.0, None, None, None, None, 1.0]})
    assert told == [(4.0, "RAISE", "low"), (6.0, "RETURN", "low")]


def test_stale_is_of_the_assets_own_numbers(tmp_path):
    text = "- id: r\n  inputs: {v: {tag: x}, s: {tag: x, of: siblings}}\n  stale: {after: 3s}\n  levels: [{severity: high, if: v > s}]\n  response: look\n"
    _, watching = rules_of(tmp_path, text)
    assert [spec.slot for spec in watching.condition.histories] == ["stale(v, 3s)"]
    assert any(
        "there is none" in m for m in messages_of(tmp_path, text.replace("v: {tag: x}, ", "").replace("v > s", "s > 1"))
    )
    counted = "- id: c\n  inputs: {n: {tag: n}}\n  stale: {after: 3s}\n  on: delta(n) > 0\n"
    assert any("a rule with levels" in m for m in messages_of(tmp_path, counted))


def test_reload_keeps_rules_whose_text_is_the_same(tmp_path):
    text = BASE + BASE.replace("drift", "other").replace("coolant", "oil")
    first = load_rules([written(tmp_path, text)])
    again = load_rules([written(tmp_path, "# moved\n" + text)], first)
    assert [rule.condition for rule in again.rules] == [rule.condition for rule in first.rules]
    same = load_rules([written(tmp_path, text)], first)
    assert all(a is b for a, b in zip(same.rules, first.rules, strict=True))
    changed = load_rules([written(tmp_path, text.replace("abs(z) > 3", "abs(z) > 4", 1))], first)
    assert changed.rules[0].sha256 != first.rules[0].sha256
    assert changed.rules[1] is first.rules[1]


@pytest.mark.parametrize(("levels", "told"), [
    ("[{severity: low, if: v > 5}, {severity: high, if: v > 4}]", "whenever v > 5 holds, v > 4 of the level high does too"),
    ("[{severity: low, if: v > 5 && v < 3}]", "no value meets"),
    ("[{severity: low, if: v > 5 || v < 6}]", "every value meets"),
    ("[{severity: low, if: v > 5, clear: v > 4}]", "wrong way round"),
    ("[{severity: low, if: v > 5 || v < 1, clear: v < 4}]", "wrong way round"),
    ("[{severity: low, if: v > 5, clear: v < 4 && v > 6}]", "is never left"),
    ("[{severity: low, if: v > 5, on_delay: 9s}, {severity: high, if: v > 4, on_delay: 9s}]", "never in force"),
])  # fmt: skip
def test_level_that_makes_no_sense_is_told_at_its_place(tmp_path, levels, told):
    from rules.rulebook import read_rules

    text = f"- id: r\n  inputs: {{v: {{tag: x}}}}\n  levels: {levels}\n  response: look\n"
    [problem] = read_rules([written(tmp_path, text)])[1]
    assert told in problem.message
    assert (problem.line, problem.field) == (5, "rules[0].levels[0]")


def test_level_that_comes_sooner_than_a_higher_one_is_reached(tmp_path):
    levels = "[{severity: low, if: v > 5}, {severity: high, if: v > 4, on_delay: 60s}]"
    assert rules_of(tmp_path, f"- id: r\n  inputs: {{v: {{tag: x}}}}\n  levels: {levels}\n  response: look\n")


SIMPLE = (
    "- id: {id}\n  inputs: {{v: {{tag: {tag}}}}}\n  levels: [{{severity: low, if: v > 5}}]\n  response: look\n{more}"
)


def test_parent_must_be_there_and_no_circle(tmp_path):
    def messages(first, second):
        return messages_of(
            tmp_path, SIMPLE.format(id="a", tag="x", more=first) + SIMPLE.format(id="b", tag="y", more=second)
        )

    assert messages("  parent: b\n", "") == []
    assert "unknown rule c" in messages("  parent: c\n", "")[0]
    assert "its own parent" in messages("  parent: b\n", "  parent: a\n")[0]


def test_two_rules_that_say_the_same_are_one_too_many(tmp_path):
    twice = SIMPLE.format(id="a", tag="x", more="") + SIMPLE.format(id="b", tag="x", more="")
    assert "says what the rule a says" in messages_of(tmp_path, twice)[0]
    assert messages_of(tmp_path, twice + "  shadow: true\n") == []


@pytest.mark.parametrize(("spec", "told"), [
    ("{tag: x, stat: mean}", "write of: siblings"),
    ("{tag: x, of: sibling}", "did you mean siblings?"),
    ("{tag: x, of: siblings, type: text}", "only numbers of siblings"),
    ("{tag: x, of: siblings, counter: {}}", "only numbers of siblings"),
])  # fmt: skip
def test_siblings_are_of_numbers(tmp_path, spec, told):
    assert any(
        told in m for m in messages_of(tmp_path, SIMPLE.format(id="a", tag="x", more="").replace("{tag: x}", spec))
    )


def test_siblings_have_a_statistic(tmp_path):
    text = "- id: r\n  inputs: {v: {tag: x}, s: {tag: x, of: siblings, stat: max}}\n  levels: [{severity: low, if: v > 2 * s}]\n  response: look\n"
    [rule] = rules_of(tmp_path, text)
    assert [(spec.of, spec.stat) for spec in rule.inputs] == [(None, "median"), ("siblings", "max")]


TESTED = SIMPLE.format(id="r", tag="x", more="  tests:\n    - {tests}\n")


def test_tests_of_a_rule_are_read(tmp_path):
    case = (
        "{name: rises, feed: {v: [[0s, 2], [5s, bad], [6s, 3, uncertain], {from: 10s, every: 500ms, count: 4, values: [1, 2], step: 0.5}]},\n"
        "       states: [[0s, RUNNING]], order: A1, until: 1h, expect: [[1m5s, RAISE, low]]}"
    )
    [rule] = rules_of(tmp_path, TESTED.replace("{tests}", case))
    [found] = rule.tests
    samples = [(at_us / 1e6, value, fed.quality) for fed in found.feed for at_us, value in fed.samples()]
    assert samples == [
        (0, 2.0, "good"), (5, 0.0, "bad"), (6, 3.0, "uncertain"),
        (10, 1.0, "good"), (10.5, 2.5, "good"), (11, 2.0, "good"), (11.5, 3.5, "good"),
    ]  # fmt: skip
    assert [(each.at_us, each.kind, str(each.severity)) for each in found.expect] == [(65_000_000, "RAISE", "low")]
    assert (found.name, found.states, found.order, found.until_us) == (
        "rises",
        ((0, MachineState.RUNNING),),
        "A1",
        3_600_000_000,
    )


@pytest.mark.parametrize(("case", "told"), [
    ("{feed: {v: []}}", "write expect: []"),
    ("{expect: []}", "feed is missing"),
    ("{feed: {w: []}, expect: []}", "not a known field; there is v"),
    ("{feed: {v: [[0s]]}, expect: []}", "must be [time, value]"),
    ("{feed: {v: [[5s, 1], [0s, 1]]}, expect: []}", "in the order of time"),
    ("{feed: {v: [[0s, x]]}, expect: []}", "must be a number"),
    ("{feed: {v: [{every: 1s, count: 600000, values: 1}]}, expect: []}", "more than 500000 readings"),
    ("{feed: {v: [{every: 1s, count: 6}]}, expect: []}", "values is missing"),
    ("{feed: {v: []}, expect: [[0s, RAISED, low]]}", "did you mean RAISE?"),
    ("{feed: {v: []}, expect: [[0s, RAISE, high]]}", "there is low"),
    ("{feed: {v: []}, expect: [[0s, RAISE]]}", "must be [time, what, severity]"),
    ("{feed: {v: []}, expect: [], states: [[0s, RUNING]]}", "did you mean RUNNING?"),
])  # fmt: skip
def test_mistake_in_a_test_is_told(tmp_path, case, told):
    assert any(told in message for message in messages_of(tmp_path, TESTED.replace("{tests}", case)))
