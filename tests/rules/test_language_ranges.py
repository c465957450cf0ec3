"""Where a condition holds: held against the condition itself, evaluated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language import BOOL, NUMBER, Name, Row, Scope, compile_expression
from rules.language.ranges import Bound, demands

SCOPE = Scope({"v": Name(NUMBER), "w": Name(NUMBER)})


def of(text):
    return demands(compile_expression(text, SCOPE, BOOL, Row()).tree)


limits = st.integers(-3, 3)
comparisons = st.tuples(
    st.sampled_from(["v", "abs(v)", "-v"]), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), limits
).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
conditions = st.recursive(
    comparisons | st.tuples(limits, st.sampled_from(["<", ">="])).map(lambda t: f"{t[0]} {t[1]} v"),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda text: f"!({text})")
    ),
    max_leaves=6,
)


@given(conditions)
def test_ranges_are_where_the_condition_holds(text):
    expression = compile_expression(text, SCOPE, BOOL, Row())
    found = demands(expression.tree)
    for v in (x / 2 for x in range(-9, 10)):
        inside = all(any(low <= Bound(v, 0) <= high for low, high in each.parts) for each in found.ranges.values())
        assert inside is expression.evaluate([v])


@given(conditions, conditions)
def test_what_is_said_of_two_conditions_is_so(one, two):
    a, b = of(one), of(two)
    first, second = (compile_expression(text, SCOPE, BOOL, Row()) for text in (one, two))
    for v in (x / 2 for x in range(-9, 10)):
        holds, too = first.evaluate([v]), second.evaluate([v])
        assert not (a.implies(b) and holds and not too)
        assert not (a.excludes(b) and holds and too)
    assert not a.is_never or not any(first.evaluate([x / 2]) for x in range(-9, 10))


@pytest.mark.parametrize(("one", "two"), [
    ("v > 5", "v > 3"), ("v > 5 && w > 1", "v > 3"), ("v > 5 && w > 1", "w > 0 && v > 3"), ("v == 4", "v >= 4"), ("v > 3 && v < 4", "v > 2"),
])  # fmt: skip
def test_what_implies_is_seen(one, two):
    assert of(one).implies(of(two))
    assert not of(two).implies(of(one))


@pytest.mark.parametrize(
    "text", ["v > 5 && v < 3", "v > 5 && v <= 5", "v == 1 && v == 2", "abs(v) < 0", "w > 1 && !(w > 0)"]
)
def test_what_never_holds_is_seen(text):
    assert of(text).is_never


@pytest.mark.parametrize("text", ["v > 5 || v <= 5", "abs(v) >= 0", "v < 5 || v > 3"])
def test_what_always_holds_is_seen(text):
    assert of(text).is_always
