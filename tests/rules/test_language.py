from __future__ import annotations

import math
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language import BOOL, NUMBER, TEXT, ExpressionError, Name, Row, Scope, compile_expression
from rules.language.parse import MAX_DEPTH, MAX_NODES, parse
from rules.language.tokens import MAX_LENGTH

NAMES = {
    "v": Name(NUMBER, "mm/s"),
    "w": Name(NUMBER, "mm/s"),
    "t": Name(NUMBER, "Cel"),
    "n": Name(NUMBER),
    "quality": Name(TEXT),
    "order.active": Name(BOOL, is_input=False),
}


def value_of(text: str, kind=BOOL, **values):
    row = Row()
    expression = compile_expression(text, Scope(NAMES), kind, row)
    return expression.evaluate([values.get(slot) for slot in row.places])


def mistakes(text: str, kind=BOOL) -> list[tuple[int, str]]:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, Scope(NAMES), kind, Row())
    return [(m.offset, m.message) for m in caught.value.mistakes]


@pytest.mark.parametrize(("text", "values", "expected"), [
    ("v > 7.1 && quality == 'good'", {"v": 8.0, "quality": "good"}, True),
    ("v > 7.1 && quality == 'good'", {"v": 7.1, "quality": "good"}, False),
    ("1 + 2 * 3 == 7", {}, True),
    ("(1 + 2) * 3 == 9 ? v > 1 : false", {"v": 2.0}, True),
    ("10 - 4 - 3 == 3", {}, True),
    ("abs(-3) == 3 && min(1, 2, 3) == 1 && max(v, 2) == 5", {"v": 5.0}, True),
    ("!(v < 1) || false", {"v": 0.5}, False),
    ("7 % 4 == 3", {}, True),
    ("order.active", {"order.active": True}, True),
    ("'it\\'s' == \"it's\"", {}, True),
    ("-v < -1", {"v": 2.0}, True),
])  # fmt: skip
def test_expression_has_its_value(text, values, expected):
    assert value_of(text, **values) is expected


THREE = (True, False, None)


@pytest.mark.parametrize("x", THREE)
@pytest.mark.parametrize("y", THREE)
def test_logic_is_kleenes(x, y):
    names = {"x": Name(BOOL), "y": Name(BOOL)}

    def of(text):
        row = Row()
        expression = compile_expression(text, Scope(names), BOOL, row)
        return expression.evaluate([{"x": x, "y": y}[slot] for slot in row.places])

    order = {False: 0, None: 1, True: 2}
    back = {0: False, 1: None, 2: True}
    assert of("x && y") is back[min(order[x], order[y])]
    assert of("x || y") is back[max(order[x], order[y])]
    assert of("!x") is back[2 - order[x]]


@pytest.mark.parametrize(
    "text",
    ["v > 1", "v + 1 > 1", "abs(v) > 1", "max(v, 1) > 0", "-v < 0", "v > 1 ? true : true", "v == v", "1 / n > 0"],
)
def test_unknown_stays_unknown(text):
    assert value_of(text, v=None, n=0.0) is None


def test_what_cannot_be_computed_is_unknown():
    assert value_of("v / 0 > 1", v=1.0) is None
    assert value_of("v * 1e300 * 1e300 > 1", v=1e300) is None
    assert value_of("v % 0 > 1", v=1.0) is None


def test_derived_function_has_a_slot_of_its_own():
    row = Row()
    compile_expression("delta(n) > 0 && n < 5", Scope(NAMES), BOOL, row)
    assert set(row.places) == {"delta(n)", "n"}
    assert row.histories["delta(n)"].inputs == {"n"}


@pytest.mark.parametrize(("text", "offset", "part"), [
    ("v > ", 4, "a value is missing"),
    ("v > 1 & w > 2", 6, "write `&&`"),
    ("v = 1", 2, "write `==`"),
    ("v > 1 and w > 2", 6, "written `&&`"),
    ("vv > 1", 0, "did you mean v?"),
    ("sqt(v) > 1", 0, "unknown function sqt"),
    ("v > t", 2, "unit mismatch: mm/s against Cel"),
    ("v + t > 1", 2, "unit mismatch"),
    ("v && w > 1", 0, "a truth value belongs"),
    ("v > 'a'", 4, "a number belongs"),
    ("1 < v < 5", 6, "do not chain"),
    ("v > 5mm", 4, "not a number"),
    ("quality == 'go", 11, "does not end"),
    ("(v > 1", 6, "`)` is missing"),
    ("v > 1 ? true", 12, "`:` is missing"),
    ("delta(order.active) > 0", 6, "a number belongs"),
    ("delta(1) > 0", 0, "name an input"),
    ("v > 5m", 4, "a duration is no value"),
    ("mean(v) > 1", 0, "window is missing: mean(x, window)"),
    ("mean(v, 5) > 1", 8, "must be a duration such as 5m"),
    ("mean(v, 400d) > 1", 8, "more than 366 days"),
    ("mean(v, 100d) > 1", 8, "from 0.001s to"),
    ("mean(v, 5m, 5m) > 1", 0, "wrong number of arguments"),
    ("percentile(v, 5m, 101) > 1", 18, "from 0 to 100"),
    ("maen(v, 5m) > 1", 0, "did you mean mean?"),
    ("quality(v) > 1", 0, "compared with a word"),
    ("quality(v) == godo", 14, "did you mean good?"),
    ("abs(v, w) > 1", 0, "wrong number of arguments"),
    ("v > 1 w", 6, "unexpected `w`"),
    ("v.x > 1", 0, "unknown name v.x"),
    ("v > 1; 2", 5, "unexpected ';'"),
    ("v", 0, "a truth value is wanted"),
    ("v == quality", 2, "never equal"),
])  # fmt: skip
def test_mistake_is_told_at_its_place(text, offset, part):
    found = mistakes(text)
    assert found[0][0] == offset
    assert part in found[0][1]


def test_every_mistake_of_types_is_told_at_once():
    assert [offset for offset, _ in mistakes("vv > 1 && ww < 2 || v > t")] == [0, 10, 22]


def test_work_is_capped():
    assert "longer than" in mistakes("v > 1 " + " " * MAX_LENGTH)[0][1]
    assert "deeper" in mistakes("(" * (MAX_DEPTH + 1) + "v > 1" + ")" * (MAX_DEPTH + 1))[0][1]
    assert "parts" in mistakes("min(" + "1,1,1,1," * (MAX_NODES // 4) + "1) > 1")[0][1]
    assert "chain" in mistakes("1" + "+1" * 60 + " > 1")[0][1]
    assert mistakes("!" * 50 + "order.active")


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("vwt()<>=!&|?:+-*/% .,'\"123")), max_size=60))
def test_any_text_is_an_expression_or_has_mistakes_inside_it(text):
    try:
        compile_expression(text, Scope(NAMES), BOOL, Row())
        places = [0]
    except ExpressionError as error:
        places = [mistake.offset for mistake in error.mistakes]
    assert places
    assert all(0 <= place <= len(text) for place in places)


def test_random_token_soup_neither_hangs_nor_fails_otherwise():
    rng = random.Random(7)
    words = ["v", "w", "t", "n", "quality", "order.active", "1", "2.5", "'a'", "true", "(", ")", "+", "-", "*", "/", "%", "<", ">", "==",
             "!=", "&&", "||", "!", "?", ":", ",", "abs(", "min(", "delta(", *string.ascii_letters]  # fmt: skip
    accepted = 0
    for _ in range(20_000):
        text = " ".join(rng.choices(words, k=rng.randrange(1, 12)))
        try:
            compile_expression(text, Scope(NAMES), BOOL, Row())
            accepted += 1
        except ExpressionError:
            pass
    assert accepted > 50


numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 2))


@st.composite
def arithmetic(draw, depth=0):
    if depth > 3 or draw(st.booleans()):
        return draw(st.one_of(st.just("v"), st.just("n"), numbers.map(lambda x: repr(abs(x)))))
    left, right = draw(arithmetic(depth=depth + 1)), draw(arithmetic(depth=depth + 1))
    return draw(
        st.sampled_from(
            [f"({left} + {right})", f"({left} - {right})", f"({left} * {right})", f"max({left}, {right})", f"(-{left})"]
        )
    )


@settings(max_examples=200, deadline=None)
@given(arithmetic(), numbers, numbers)
def test_arithmetic_is_that_of_python(text, v, n):
    names = {"v": Name(NUMBER), "n": Name(NUMBER)}
    row = Row()
    expression = compile_expression(text, Scope(names), NUMBER, row)
    got = expression.evaluate([{"v": v, "n": n}[slot] for slot in row.places])
    assert math.isclose(got, eval(text, {"max": max}, {"v": v, "n": n}), rel_tol=1e-9, abs_tol=1e-9)


def test_limits_of_a_condition_are_found_for_the_picture():
    assert compile_expression("v > 2.8 && (t < 5 || n >= 1)", Scope(NAMES), BOOL, Row()).limits() == [
        ("v", 2.8),
        ("t", 5.0),
        ("n", 1.0),
    ]


def test_tree_knows_where_its_parts_stand():
    assert parse("v > 1 && w < 2").offset == 6
