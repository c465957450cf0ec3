"""Long columns of one tag through one instance: what changes nothing, as most readings do, costs a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from math import inf
from typing import Any, Final

from rules.instance.inputs import InputNow
from rules.instance.instance import Instance
from rules.instance.told import Told
from rules.sample import Sample

_CHUNK: Final = 65_536
_NEVER: Final = 1 << 62


def feed(
    instance: Instance,
    tag_id: int,
    times_us: Sequence[int],
    values: Sequence[float],
    qualities: Sequence[int] | None = None,
) -> list[Told]:
    """Let an instance take long columns of one tag, oldest first, as if it observed each; None for qualities that are all good.

    Lists or numpy arrays. Much faster than `Instance.observe` where a reading changes nothing, which most do not.
    """
    entries = instance.inputs.get(tag_id, ())
    take = _slowly if len(entries) != 1 or entries[0].plan.spec.is_text or entries[0].plan.spec.of else _quickly
    told: list[Told] = []
    for start in range(0, len(times_us), _CHUNK):
        end = start + _CHUNK
        codes = _plain(qualities[start:end]) if qualities is not None else None
        told += take(instance, tag_id, _plain(times_us[start:end]), _plain(values[start:end]), codes)
    return told


def _plain(column: Any) -> list[Any]:
    """A list of Python numbers: an array's own cost several times as much in a loop."""
    made: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return made


def _slowly(
    instance: Instance, tag_id: int, times: list[int], values: list[Any], qualities: list[int] | None
) -> list[Told]:
    told: list[Told] = []
    for at, value, quality in zip(times, values, qualities or repeat(0), strict=False):
        told += _one(instance, tag_id, at, value, quality)
    return told


def _one(instance: Instance, tag_id: int, at: int, value: Any, quality: int) -> list[Told]:
    text = value if isinstance(value, str) else None
    sample = Sample(tag_id, at, 0, None if text is not None else value, text, quality)
    return instance.observe(at, [sample], instance.situation)


def _quickly(
    instance: Instance, tag_id: int, times: list[int], values: list[Any], qualities: list[int] | None
) -> list[Told]:
    """One number, with the instance's own things in local names; whatever is not plain goes the long way."""
    (entry,) = instance.inputs[tag_id]
    told: list[Told] = []
    row, slot, judge, max_age = instance.row, entry.plan.slot, instance.plan.judge, entry.plan.max_age_us or _NEVER
    past = _past(instance, entry)
    last, code, sound, base = _known(instance, entry)
    due = min(base, _histories_due(instance))
    for at, value, quality in zip(times, values, qualities or repeat(0), strict=False):
        # Also what is the first, what comes late, what is bad or uncertain, and what was stale goes the long way.
        if last < at < due and at - last < max_age and quality == sound and value is not None and -inf < value < inf:
            if slot is not None:
                row[slot] = value
            if past is not None:
                due = min(base, past(at))
            last = at
            if judge(row) == code:
                continue
            _note(entry, instance, last, value, max_age)
            told += instance.judge(at)
        else:
            if last not in (entry.at_us, _NEVER):
                _note(entry, instance, last, row[slot] if slot is not None else entry.value, max_age)
            told += _one(instance, tag_id, at, value, quality)
        last, code, sound, base = _known(instance, entry)
        due = min(base, _histories_due(instance))
    if last not in (entry.at_us, _NEVER):
        _note(entry, instance, last, row[slot] if slot is not None else values[-1], max_age)
    return told


def _known(instance: Instance, entry: InputNow) -> tuple[int, Any, int, int]:
    """The newest reading's time, the levels as judged, the quality that needs no thought, what is due but for age and histories."""
    if entry.at_us is None or entry.value is None or instance.judged is None or entry.quality != "GOOD":
        return _NEVER, None, -1, 0
    due = instance.due_but_for_histories_us(skip=entry)
    return max(entry.at_us, instance.now_us or 0), instance.judged[0], 0, _NEVER if due is None else due


def _note(entry: InputNow, instance: Instance, at: int, value: Any, max_age: int) -> None:
    """Write down the newest reading that was passed over."""
    entry.at_us, entry.ordinal, entry.value = at, 0, value
    entry.stale_us = at + max_age if max_age != _NEVER else None
    instance.now_us = at


def _past(instance: Instance, entry: InputNow) -> Callable[[int], int] | None:
    """Lets the histories see a reading; gives when the first thing is due again."""
    plans, histories = instance.plan.histories, instance.histories
    if not plans:
        return None
    row, state, bit = instance.row, instance.situation.state, entry.plan.bit
    kept = [
        (history.take, history.value, each.arguments, each.slot, each.is_boolean)
        for each, history in zip(plans, histories, strict=True)
        if each.bits & bit and (not each.spec.where or state in each.spec.where)
    ]

    def see(at: int) -> int:
        for take, value, arguments, slot, is_boolean in kept:
            take(at, tuple([argument(row) for argument in arguments]))  # faster
            found = value(at)
            row[slot] = bool(found) if is_boolean and found is not None else found
        return _histories_due(instance)

    return see


def _histories_due(instance: Instance) -> int:
    return min([due for history in instance.histories if (due := history.due_us()) is not None], default=_NEVER)
