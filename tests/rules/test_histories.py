"""What holds of every history: exact dump and restore at any point, due instants that lie ahead, bounded memory, no crash."""

from __future__ import annotations

import importlib
import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules.histories
from rules.histories import HISTORIES, HistoryKind, Setting
from rules.histories.history import SECOND

T0 = 1_772_344_800 * SECOND
_LITERALS = {"duration": 20 * SECOND, "count": 16, "number": 2.0}
_SPECIAL = {
    "percent": 90.0,
    "lambda": 0.2,
    "fs": 1.0,
    "low": 0.1,
    "high": 0.4,
    "alpha": 0.01,
    "least": 3,
    "min_samples": 5,
    "lag": 7 * SECOND,
}
_EACH = pytest.mark.parametrize("kind", HISTORIES.values(), ids=list(HISTORIES))


def setting_of(kind: HistoryKind, arguments: int | None = None) -> Setting:
    parameters = tuple(
        float("nan") if p.default is not None and math.isnan(p.default) else
        min(max(_SPECIAL.get(p.name, _LITERALS[p.kind]), p.minimum), p.maximum)
        for p in kind.parameters
    )  # fmt: skip
    return Setting(parameters, arguments or kind.arguments[1])


def values_of(chance: random.Random, arguments: int) -> tuple[float | None, ...]:
    return tuple(None if chance.random() < 0.05 else chance.gauss(10, 3) for _ in range(arguments))


def story(seed: int, steps: int, arguments: int) -> list[tuple[int, tuple[float | None, ...]]]:
    """Readings at uneven distances: several at an instant, steady stretches, and gaps longer than every window."""
    chance, at_us, found = random.Random(seed), T0, []
    for _ in range(steps):
        at_us += chance.choice((0, SECOND, SECOND, SECOND, SECOND + 1, chance.randrange(3 * SECOND), 90 * SECOND))
        found.append((at_us, values_of(chance, arguments)))
    return found


@_EACH
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 120))
def test_restored_history_goes_on_as_if_nothing_had_been(kind, seed, cut):
    setting = setting_of(kind)
    whole = kind.make(setting)
    resumed = kind.make(setting)
    for step, (at_us, values) in enumerate(story(seed, 120, setting.arguments)):
        if step == cut:
            stored = json.loads(json.dumps(resumed.dump()))
            resumed = kind.make(setting)
            resumed.restore(stored)
        while (due := whole.due_us()) is not None and due <= at_us:
            assert resumed.due_us() == due
            assert resumed.value(due) == whole.value(due)
        for history in (whole, resumed):
            history.take(at_us, values)
        assert resumed.value(at_us) == whole.value(at_us)
        assert json.dumps(resumed.dump()) == json.dumps(whole.dump())


@_EACH
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_due_instant_lies_ahead_of_the_last_value_and_ends(kind, seed):
    setting = setting_of(kind)
    history = kind.make(setting)
    now = T0
    for at_us, values in story(seed, 60, setting.arguments):
        history.take(at_us, values)
        history.value(at_us)
        now = at_us
        assert (due := history.due_us()) is None or due > now
    for _ in range(10_000):  # nothing comes any more: everything is due a bounded number of times
        due = history.due_us()
        if due is None:
            break
        assert due > now
        now = due
        history.value(now)
    assert history.due_us() is None


@_EACH
def test_value_changes_by_time_alone_only_when_it_is_due(kind):
    setting = setting_of(kind)
    history = kind.make(setting)
    story_of_it = story(5, 200, setting.arguments)
    for (at_us, values), (next_us, _) in zip(
        story_of_it, [*story_of_it[1:], (story_of_it[-1][0] + 200 * SECOND, ())], strict=True
    ):
        history.take(at_us, values)
        value, now = history.value(at_us), at_us
        while (due := history.due_us()) is not None and due < next_us:
            for between in (now + (due - now) // 2, due - 2):
                if now <= between < due - 1:
                    probe = kind.make(setting)
                    probe.restore(json.loads(json.dumps(history.dump())))
                    assert probe.value(between) == value
            value, now = history.value(due), due


@_EACH
def test_memory_is_bounded_whatever_the_rate(kind):
    setting = setting_of(kind)
    history = kind.make(setting)
    chance = random.Random(3)
    for step in range(6_000):  # 20 s windows at 1 kHz: 20 000 readings would be in them
        history.take(T0 + step * 1000, values_of(chance, setting.arguments))
        history.value(T0 + step * 1000)
    size = len(json.dumps(history.dump()))
    for step in range(6_000, 9_000):
        history.take(T0 + step * 1000, values_of(chance, setting.arguments))
    assert max(size, len(json.dumps(history.dump()))) < 150_000


@_EACH
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_value_crashes_a_history_or_comes_out_as_no_number(kind, data):
    setting = setting_of(kind, kind.arguments[0])
    history = kind.make(setting)
    at_us = T0
    number = st.none() | st.floats() | st.sampled_from([0.0, 5e-324, 1e150, -1e150, 1.7e308])
    for _ in range(data.draw(st.integers(1, 30))):
        at_us += data.draw(st.integers(0, 5 * SECOND))
        history.take(at_us, tuple(data.draw(number) for _ in range(setting.arguments)))
        value = history.value(at_us)
        assert value is None or math.isfinite(value)
        assert not kind.is_boolean or value in (None, 0.0, 1.0)
    json.dumps(history.dump(), allow_nan=False)


@_EACH
def test_what_is_no_dump_is_refused(kind):
    history = kind.make(setting_of(kind))
    for stored in (5, [], {}, None, [1, 2, 3, 4, 5, 6, 7, 8], "x"):
        with pytest.raises((ValueError, KeyError, TypeError)):
            history.restore(stored)


def test_every_family_is_in_the_table():
    folder = Path(rules.histories.__file__).parent
    found = [
        importlib.import_module(f"rules.histories.{file.stem}")
        for file in folder.glob("*.py")
        if file.stem != "__init__"
    ]
    assert {kind.name for module in found for kind in getattr(module, "KINDS", ())} == set(HISTORIES)


def test_table_says_how_each_kind_is_called():
    for name, kind in HISTORIES.items():
        assert kind.name == name
        assert kind.says.startswith(f"{name}(x") or kind.says.startswith(f"{name}(a")
        assert kind.arguments[0] == kind.arguments[1] or kind.parameters[0].kind == "duration"
        for parameter in kind.parameters:
            assert (
                parameter.default is None
                or math.isnan(parameter.default)
                or parameter.minimum <= parameter.default <= parameter.maximum
            )
        optional = [p.default is not None for p in kind.parameters]
        assert optional == sorted(optional), "what may be left out stands last"
