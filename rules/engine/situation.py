"""What an asset is doing, folded out of its readings of state and order: the same for the same readings, whenever it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.model.production import MachineState
from rules.instance import Situation
from rules.production.accounting import LONGEST_WORD, Role, word_of
from rules.sample import Sample

TELLING = frozenset({Role.ORDER, Role.STATE})


def after(
    before: Situation,
    at_us: int,
    samples: Iterable[Sample],
    roles: Mapping[int, Role],
    states: Mapping[str, MachineState],
) -> Situation:
    """The situation after the samples of one instant, in their order of work; the same object where nothing changes."""
    words = {role: word_of(each) for each in samples if (role := roles.get(each.tag_id)) in TELLING}
    if not words:
        return before
    state, since_us, order = before
    if (said := words.get(Role.ORDER)) is not None:
        order = _believed(said) or None
    if Role.STATE in words:
        word = words[Role.STATE]
        found = MachineState.UNKNOWN if word is None else states.get(_believed(word), MachineState.UNKNOWN)
        if found is not state:
            state, since_us = found, at_us
    now = Situation(state, since_us, order)
    return before if now == before else now


def dump(situation: Situation) -> list[Any]:
    """As JSON."""
    return [situation.state and str(situation.state), situation.since_us, situation.order]


def restore(stored: list[Any]) -> Situation:
    """From JSON."""
    state, since_us, order = stored
    return Situation(MachineState(state) if state else None, since_us, order)


def _believed(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else ""
