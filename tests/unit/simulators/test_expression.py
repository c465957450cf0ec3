from __future__ import annotations

import re

import pytest

from simulators.systems.expression import Dialect, parse

CLAUSE = re.compile(r"(\w+) eq (\d+)")
ROWS = [{"a": a, "b": b} for a in (1, 2, 3) for b in (1, 2)]


def read(match):
    name, wanted = match[1], int(match[2])
    return lambda row: row[name] == wanted


def met(text, distinct=None):
    meets = parse(text, Dialect(CLAUSE, read, ValueError, distinct))
    return [(row["a"], row["b"]) for row in ROWS if meets(row)]


def test_and_binds_closer_than_or_and_brackets_closer_than_both():
    assert met("a eq 1 or a eq 2 and b eq 1") == [(1, 1), (1, 2), (2, 1)]
    assert met("(a eq 1 or a eq 2) and b eq 1") == [(1, 1), (2, 1)]
    assert met("((a eq 3))") == [(3, 1), (3, 2)]
    assert met("") == [(row["a"], row["b"]) for row in ROWS]


@pytest.mark.parametrize(
    ("text", "at"), [("a eq x", 0), ("a eq 1 and", 6), ("(a eq 1", 7), ("a eq 1)", 6), ("a eq 1 xor a eq 2", 6)]
)
def test_what_is_no_expression_is_refused_at_its_position(text, at):
    with pytest.raises(ValueError, match=rf"^{at}$"):
        met(text)


def test_or_between_different_properties_is_refused_where_the_system_takes_none():
    refused = lambda: PermissionError("distinct")  # noqa: E731  # as a dialect has it
    assert met("(a eq 1 or a eq 2) and b eq 1", refused) == [(1, 1), (2, 1)]
    for text in ("a eq 1 or b eq 1", "a eq 1 or (a eq 2 and b eq 1)"):
        with pytest.raises(PermissionError):
            met(text, refused)
