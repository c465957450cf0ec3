"""Functions of the past, durations, units and qualities in expressions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.histories import HISTORIES
from rules.language import BOOL, NUMBER, ExpressionError, Name, Row, Scope, compile_expression, resolve
from rules.language.canonical import text_of
from rules.language.expression import MAX_HISTORIES
from rules.language.functions import FUNCTIONS, bpfi, bpfo, bsf, ftf
from rules.language.pasts import signature
from rules.production.counter import CounterSpec

NAMES = {
    "v": Name(NUMBER, "mm/s"),
    "w": Name(NUMBER, "m/s"),
    "t": Name(NUMBER, "Cel"),
    "f": Name(NUMBER, "[degF]"),
    "u": Name(NUMBER, "V"),
    "i": Name(NUMBER, "A"),
    "p": Name(NUMBER, "kW"),
    "n": Name(NUMBER, counter=CounterSpec(65536, 50)),
    "x": Name(NUMBER),
}


def compiled(text, kind=BOOL, row=None):
    row = row if row is not None else Row()
    return compile_expression(text, Scope(NAMES), kind, row), row


def value_of(text, kind=NUMBER, **values):
    expression, row = compiled(text, kind)
    return expression.evaluate([values.get(slot) for slot in row.places])


def mistakes(text, kind=BOOL):
    with pytest.raises(ExpressionError) as caught:
        compiled(text, kind)
    return [m.message for m in caught.value.mistakes]


def test_history_is_in_the_row_under_its_canonical_text():
    expression, row = compiled("mean( v,1h30m )>7.1 && mean(v, 90m) < 9")
    assert expression.slots == ("mean(v, 5400s)",)
    (spec,) = row.histories.values()
    assert (spec.slot, spec.kind, spec.setting.parameters) == ("mean(v, 5400s)", HISTORIES["mean"], (5_400_000_000,))
    assert (spec.inputs, spec.where) == ({"v"}, frozenset())


def test_history_of_a_history_comes_after_it_and_is_of_all_its_inputs():
    _, row = compiled("mean(max(v, std(w, 1h) * 2), 500ms) > 1")
    assert list(row.histories) == ["std(w, 3600s)", "mean(max(v, std(w, 3600s) * 2 * 1000), 0.5s)"]
    assert [spec.inputs for spec in row.histories.values()] == [{"w"}, {"v", "w"}]
    outer = row.histories["mean(max(v, std(w, 3600s) * 2 * 1000), 0.5s)"]
    values = {"v": 3.0, "std(w, 3600s)": 0.002}
    assert outer.arguments[0].evaluate([values.get(slot) for slot in row.places]) == 4.0


def test_expressions_of_a_rule_share_their_histories():
    row = Row()
    compiled("mean(v, 5m) > 7", row=row)
    compiled("mean(v, 300s) < 6", row=row)
    assert len(row.histories) == 1


def test_what_is_left_out_has_its_default_and_none_is_not_in_the_key():
    assert compiled("ewma(v, 0.2) > 1")[0].slots == ("ewma(v, 0.2)",)
    assert compiled("ewma(v, 0.2, 50) > 1")[0].slots == ("ewma(v, 0.2, 50)",)
    assert compiled("flatline(v, 10m)")[0].slots == ("flatline(v, 600s, 0, 3)",)


def test_counter_goes_with_its_history():
    assert compiled("delta(n) > 0")[1].histories["delta(n)"].setting.counter == CounterSpec(65536, 50)
    assert compiled("delta(n + 1) > 0")[1].histories["delta(n + 1)"].setting.counter is None


def test_question_about_the_past_is_a_truth_value_or_unknown():
    slot = "stale(v, 300s)"
    for stored, answer in ((1.0, True), (0.0, False), (None, None)):
        expression, row = compiled("stale(v, 5m)")
        assert expression.evaluate([{slot: stored}.get(place) for place in row.places]) is answer
    assert value_of("stale(v, 5m) || v > 3", BOOL, v=2.0) is None
    assert value_of("stale(v, 5m) || v > 3", BOOL, v=4.0) is True


def test_arguments_end_at_the_first_duration_where_they_may_be_many():
    _, row = compiled("t2(v, t, x, 14d, 3h, 500) > 20")
    (spec,) = row.histories.values()
    assert (spec.setting.arguments, spec.setting.parameters) == (3, (14 * 86400 * 10**6, 3 * 3600 * 10**6, 500))


def test_every_history_can_be_called_as_its_signature_says():
    def literal(parameter):
        if parameter.kind == "duration":
            return f"{min(max(parameter.minimum, 3.6e9), parameter.maximum) / 1e6:g}s"
        value = min(max(parameter.minimum, 0.5 if parameter.kind == "number" else 100), parameter.maximum)
        return f"{value:g}"

    for kind in HISTORIES.values():
        inputs = ["v", "x", "x", "x", "x", "x", "x", "x"][: kind.arguments[0]]
        given = [literal(parameter) for parameter in kind.parameters]
        text = f"{kind.name}({', '.join(inputs + given)})"
        found = resolve(text, Scope(NAMES))
        assert found.kind is (BOOL if kind.is_boolean else NUMBER), signature(kind)


def test_too_many_histories_of_a_rule_are_a_mistake():
    row = Row()
    for seconds in range(1, MAX_HISTORIES + 1):
        compiled(f"mean(v, {seconds}s) > 1", row=row)
    with pytest.raises(ExpressionError, match="split it"):
        compiled("mean(v, 1d) > 1", row=row)


@pytest.mark.parametrize(("text", "values", "expected"), [
    ("v > w", {"v": 8.0, "w": 0.007}, True),
    ("w < v", {"v": 8.0, "w": 0.007}, True),
    ("v - w > 0.5", {"v": 8.0, "w": 0.007}, True),
    ("max(v, w) == 9", {"v": 8.0, "w": 0.009}, True),
    ("f > t", {"f": 212.0, "t": 99.0}, True),
    ("f > t", {"f": 212.0, "t": 101.0}, False),
    ("p > u * i", {"p": 1.0, "u": 100.0, "i": 9.0}, True),
    ("u * i > p", {"p": 1.0, "u": 100.0, "i": 9.0}, False),
    ("v / w > 1", {"v": 8.0, "w": 0.004}, True),
    ("(true ? v : w) == 7", {"v": 7.0, "w": 7.0}, True),
])  # fmt: skip
def test_units_are_converted(text, values, expected):
    assert value_of(text, BOOL, **values) is expected


@pytest.mark.parametrize(("text", "told"), [
    ("v > t", "unit mismatch: mm/s against Cel"),
    ("u * i > v", "unit mismatch: V.A against mm/s"),
    ("rate(v, 1m) > v", "unit mismatch: (mm/s)/s against mm/s"),
    ("std(t, 1h) > std(f, 1h)", "whose zero is elsewhere"),
    ("max(v, t) > 1", "unit mismatch"),
    ("cusum(v, t, 1) > 5", "unit mismatch"),
])  # fmt: skip
def test_units_that_do_not_fit_are_named_both(text, told):
    assert told in mistakes(text)[0]


def test_functions_of_a_frequency_take_another_unit_beside_the_signal():
    assert compiled("amplitude(v, 2 * i / 60, 2048, 5120) > 1")


WORDS = ("good", "uncertain", "bad", None)


@pytest.mark.parametrize(("asked", "now"), list(itertools.product(("good", "uncertain", "bad"), WORDS)))
def test_quality_of_what_is_not_there_is_unknown(asked, now):
    unknown = now is None or (now == "bad" and asked != "bad")
    is_so = None if unknown else now == asked
    assert value_of(f"quality(v) == {asked}", BOOL, **{"quality(v)": now}) is is_so
    assert value_of(f"'{asked}' != quality(v)", BOOL, **{"quality(v)": now}) is (None if is_so is None else not is_so)


def test_bare_quality_is_that_of_the_only_input():
    row = Row()
    scope = Scope({"value": Name(NUMBER)})
    expression = compile_expression("value > 7.1 && quality == 'good'", scope, BOOL, row)
    assert expression.slots == ("value", "quality(value)")
    for quality, answer in (("good", True), ("uncertain", False), ("bad", None)):
        assert expression.evaluate([{"value": 8.0, "quality(value)": quality}[slot] for slot in row.places]) is answer
    assert "unknown name quality" in mistakes("quality == good")[0]


def test_orders_of_a_bearing_are_those_of_its_maker():
    # SKF 6205-2RS: 9 balls of 7.94 mm, pitch 39.04 mm (Case Western Reserve University, bearing data center)
    assert bpfi(9, 7.94, 39.04, 0) == pytest.approx(5.4152, abs=1e-4)
    assert bpfo(9, 7.94, 39.04, 0) == pytest.approx(3.5848, abs=1e-4)
    assert ftf(7.94, 39.04, 0) == pytest.approx(0.39828, abs=1e-4)
    assert 2 * bsf(7.94, 39.04, 0) == pytest.approx(4.7135, abs=1e-3)


def test_numbers_that_never_change_are_computed_once():
    assert text_of(resolve("v > -2 * (1 + 2)", Scope(NAMES)).node) == "v > -6"
    assert text_of(resolve("v > bpfo(9, 7.94, 39.04, 0) * 2", Scope(NAMES)).node).startswith("v > 7.169")
    assert compile_expression("v > -5", Scope(NAMES), BOOL, Row()).limits() == [("v", -5.0)]


@pytest.mark.parametrize(
    ("text", "value"), [("sqrt(9)", 3.0), ("floor(-1.5)", -2.0), ("ceil(1.2)", 2.0), ("ln(exp(2))", 2.0)]
)
def test_functions_have_their_values(text, value):
    assert value_of(f"{text} + x", x=0.0) == pytest.approx(value)


@pytest.mark.parametrize("text", ["sqrt(x)", "ln(x)", "exp(x * -1000000)", "bpfo(9, 7.94, x + 1, 0)"])
def test_where_a_function_is_not_defined_its_value_is_unknown(text):
    assert value_of(text, x=-1.0) is None


def test_no_name_is_of_two_functions_that_are_called_alike():
    assert not set(FUNCTIONS) & set(HISTORIES)


numbers = st.sampled_from(["v", "x", "1", "2.5"])
numbers = st.recursive(numbers, lambda inner: st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
                       | st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"), max_leaves=4)  # fmt: skip
truths = st.tuples(numbers, st.sampled_from(["<", ">=", "==", "!="]), numbers).map(" ".join) | st.sampled_from(
    ["quality(v) == good", "quality(v) != bad", "quality(x) == bad", "stale(v, 5s)", "true"]
)
truths = st.recursive(
    truths,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda text: f"!({text})")
        | st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})")
    ),
    max_leaves=6,
)
known = st.fixed_dictionaries({
    "v": st.integers(-3, 3).map(float), "x": st.integers(-3, 3).map(float), "stale(v, 5s)": st.sampled_from([0.0, 1.0]),
    "quality(v)": st.sampled_from(["good", "uncertain"]), "quality(x)": st.sampled_from(["good", "uncertain"]),
})  # fmt: skip


@given(truths, known, st.sets(st.sampled_from(["v", "x", "stale(v, 5s)", "quality(v)", "quality(x)"])))
def test_what_is_said_of_unknown_values_is_true_of_whatever_they_are(text, values, hidden):
    row = Row()
    expression = compile_expression(text, Scope({"v": Name(NUMBER), "x": Name(NUMBER)}), BOOL, row)
    seen = expression.evaluate([None if slot in hidden else values[slot] for slot in row.places])
    whole = expression.evaluate([values[slot] for slot in row.places])
    assert seen is None or seen is whole


parts = st.sampled_from(["v", "x", "mean(v, 5m)", "2.5", "abs(x)", "ewma(x, 0.3)"])
trees = st.recursive(
    parts,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=8,
)


@given(trees)
def test_canonical_text_means_what_it_was_made_of(text):
    scope = Scope({"v": Name(NUMBER), "x": Name(NUMBER)})
    first, row = resolve(text, scope), Row()
    again = resolve(text_of(first.node).replace("300s", "5m"), scope)
    assert text_of(again.node) == text_of(first.node)
    one = compile_expression(text, scope, NUMBER, row)
    two = compile_expression(text_of(first.node), scope, NUMBER, row)
    values = [1.5 + index for index in range(len(row.places))]
    assert one.evaluate(values) == two.evaluate(values)
