"""Whatever stands in a rule file: rules or mistakes come out, nothing else, in work that the file's size bounds."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rules import nodes
from rules.durations import duration
from rules.language import BOOL, NUMBER, ExpressionError, Name, Row, Scope, compile_expression
from rules.language.typed import MAX_SIZE, walk
from rules.nodes import DocumentError, compose
from rules.rulebook import read_rules
from rules.rulebook.model import Rule
from rules.section import MAX_PROBLEMS
from tests.rules.rule_files import HEAD, written


def outcome(folder: Path, content: bytes) -> tuple[list[Rule], list[str]]:
    (folder / "f.yaml").write_bytes(content)
    rules, problems = read_rules([str(folder / "f.yaml")])
    return rules, [problem.message for problem in problems]


@pytest.mark.parametrize(("content", "told"), [
    (b"\xff\xfe", "not UTF-8"),
    (b"a: \x00", "does not belong in a text file"),
    (b"a: 1\n---\nb: 2", "one a file"),
    (b"&a [*a]", "&a is not read here"),
    (b"a: *b", "*b is not read here"),
    (b"a: !!python/object:os.system x", "is not read here"),
    (b"a: !!binary x", "is not read here"),
    (b"[" * 200_000, "nested deeper"),
    (b"{a: " * 200_000, "nested deeper"),
    (b"- " * 200_000, "nested deeper"),
    (b"? " * 200_000, "nested deeper"),
    (b"a: " + b"x" * 20_000, "more than 10000 characters"),
    (b"a: 'x", "a quote is not closed"),
    (b"a: {if: !(v > 1)}", "stands in quotes"),
    (b"a: v > 1: 2", "stands in quotes"),
    (b'a: "\\e[31m"', "does not belong in a text"),
    (b'"\\0": 1', "does not belong in a text"),
    (b'a: "\\ud800"', "not YAML"),
    (b"\t- a", "not YAML"),
    (b"", "is empty"),
    (b"# only words", "is empty"),
    (b"apiVersion: rules/v1\nrules: 5", "must be a list"),
])  # fmt: skip
def test_hostile_file_is_told_of(tmp_path, content, told):
    rules, messages = outcome(tmp_path, content)
    assert rules == []
    assert any(told in message for message in messages)


def test_laughs_are_not_multiplied(tmp_path):
    lines = ['a0: &a0 ["x", "x"]', *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    assert "&a0 is not read here" in outcome(tmp_path, "\n".join(lines).encode())[1][0]


def test_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("rules.rulebook.read.MAX_BYTES", 1000)
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(20_000_000)
    tracemalloc.start()
    try:
        messages = [problem.message for problem in read_rules([str(tmp_path / "large.yaml")])[1]]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "split it" in messages[0]
    assert peak < 5_000_000


def test_too_many_values_and_rules_are_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "MAX_NODES", 100)
    assert "more than 100 values" in outcome(tmp_path, b"[" + b"1," * 200 + b"]")[1][0]
    monkeypatch.undo()
    monkeypatch.setattr("rules.rulebook.read.MAX_RULES", 3)
    text = HEAD + "".join(
        f"- {{id: r{i}, inputs: {{v: {{tag: t{i}}}}}, levels: [{{severity: low, if: v > 1}}], response: x}}\n"
        for i in range(5)
    )
    rules, messages = outcome(tmp_path, text.encode())
    assert (len(rules), messages) == (3, ["more than 3 rules"])


def test_mistakes_are_told_up_to_a_number(tmp_path):
    messages = outcome(tmp_path, (HEAD + "- 5\n" * 50_000).encode())[1]
    assert len(messages) <= MAX_PROBLEMS + 3
    assert messages[-1] == "there are more mistakes than are told at once"


@pytest.mark.parametrize(
    "value", ["1e999", "9" * 5000, "-" + "9" * 40, ".inf", ".nan", "0x10", "1:30", "2020-01-01", "~", "yes"]
)
@pytest.mark.parametrize("field", ["min_samples: {}", "window: {}", "of: {}", "lag: {}"])
def test_strange_numbers_are_mistakes_or_numbers(tmp_path, field, value):
    baseline = {"min_samples": "500", "window": "1h", "of": "v", "lag": "1h"}
    name = field.split(":", maxsplit=1)[0]
    fields = ", ".join(f"{key}: {value if key == name else default}" for key, default in baseline.items())
    text = f"{HEAD}- id: r\n  inputs: {{v: {{tag: x}}}}\n  baseline: {{{fields}}}\n  levels: [{{severity: low, if: v > 1}}]\n  response: x\n"
    rules, messages = outcome(tmp_path, text.encode())
    assert bool(rules) != bool(messages)


@pytest.mark.parametrize(
    "text", ["9" * 100_000 + "d", "1d" * 100_000, "9" * 50 + "d", "1e5s", "-1s", "1 s", "", "s", "367d"]
)
def test_strange_durations_are_mistakes(text):
    with pytest.raises(ValueError, match=r"duration|days"):
        duration(text)


WORDS = ["apiVersion", "rules/v1", "rules", "id", "inputs", "tag", "levels", "severity", "low", "if", "clear", "v > 1", "v", "on", "delta(v) > 0",
         "let", "baseline", "of", "window", "5m", "stale", "after", "tests", "feed", "expect", "preset", "iso20816_3", "group", "1", "actions",
         "ticket", "erp_posting", "connector", "counter", "for_each", "when_state", "RUNNING", "response", "mean(v, 5m) > z", "true", "~", "1e9"]  # fmt: skip
scalars = st.sampled_from(WORDS) | st.text(max_size=8) | st.integers() | st.floats()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=30,
)
PARTS = ("levels", "on", "let", "baseline", "stale", "tests", "preset", "actions", "for_each", "when_state", "parent")
rule_like = st.fixed_dictionaries(
    {"id": st.just("r") | trees, "inputs": st.just({"v": {"tag": "x"}}) | trees, "response": st.just("look") | trees},
    optional=dict.fromkeys(PARTS, trees),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rule_like)
def test_any_rule_is_read_or_told_of(tmp_path, rule):
    import json

    text = json.dumps({"apiVersion": "rules/v1", "rules": [rule]}, allow_nan=True)
    rules, messages = outcome(tmp_path, text.encode())
    assert bool(rules) != bool(messages)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet="abr:-[]{}&*!|>'\"%@`#,? \n\t0123", max_size=80).map(str.encode))
@example(b"apiVersion: rules/v1\nrules:\n- ? [a]\n  : b")
@example(b"[\n]: 1")
def test_any_bytes_are_told_of(tmp_path, content):
    rules, messages = outcome(tmp_path, content)
    assert rules == []
    assert messages


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_document_or_an_error_with_a_place(text):
    try:
        compose(text)
        found = None
    except DocumentError as error:
        found = error
    assert found is None or (str(found) and 0 <= found.line <= text.count("\n") + text.count("\r") + 2)


names = {"v": Name(NUMBER), "b": Name(BOOL)}
soup = st.lists(st.sampled_from(["v", "b", "1", "2.5", "5m", "(", ")", "+", "-", "*", "<", "==", "&&", "||", "!", "?", ":", ",", "mean(", "min(",
                                 "quality(", "t2(", "ewma(", "good", "'x'", " "]), max_size=60).map(" ".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(soup)
def test_expression_does_work_in_proportion_to_its_text(text):
    try:
        expression, mistakes = compile_expression(text, Scope(names), BOOL, Row()), []
    except ExpressionError as error:
        expression, mistakes = None, error.mistakes
    assert (expression is None) == bool(mistakes)
    assert all(0 <= mistake.offset <= len(text) for mistake in mistakes)
    if expression:
        assert len(walk(expression.tree)) <= min(MAX_SIZE, len(text))
        assert expression.evaluate([None] * 100) in (True, False, None)


def test_file_is_read_whole_or_told_of_whole(tmp_path):
    good = "- {id: a, inputs: {v: {tag: x}}, levels: [{severity: low, if: v > 1}], response: look}\n"
    rules, problems = read_rules(
        [written(tmp_path, good + "- {id: b}\n" + good.replace("id: a", "id: c").replace("tag: x", "tag: y"))]
    )
    assert [rule.id for rule in rules] == ["a", "c"]
    assert problems
