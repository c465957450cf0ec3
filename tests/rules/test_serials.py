"""Which piece a serial number belongs to, as machines tell it: before the count, with it, after it, again, too late, or not at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.production.accounting import Accounting, AssetFacts, Role
from rules.production.counter import CounterSpec
from rules.production.effects import Counted, SerialGiven, SerialUnclaimed, WordRefused
from rules.production.serials import SerialSpec
from rules.sample import Sample

T0 = datetime(2026, 3, 1, 6, tzinfo=UTC)
GOOD, SCRAP, SERIAL = 1, 2, 3
BEFORE = SerialSpec(within=timedelta(seconds=10))
AFTER = SerialSpec(is_told_after=True, within=timedelta(seconds=10))


class Machine:
    """One asset; `restart` takes its memory through JSON, as a crash does."""

    def __init__(self, spec: SerialSpec) -> None:
        self.spec = spec
        self.accounting = self._new()
        self.good = 0
        self.tell(-100, good=0)

    def _new(self) -> Accounting:
        facts = AssetFacts(1, "acme/x", True, CounterSpec(None, 1000), {}, self.spec)
        return Accounting(facts, {GOOD: Role.GOOD, SCRAP: Role.SCRAP, SERIAL: Role.SERIAL})

    def restart(self) -> None:
        memory, self.accounting = self.accounting.dump(), self._new()
        self.accounting.restore(memory)

    def tell(self, seconds: float, *serials: str, good: int | None = None, quality: int = 0) -> list[Any]:
        at = T0 + timedelta(seconds=seconds)
        us = int(at.timestamp() * 1e6)
        samples = [Sample(SERIAL, us, n, None, serial, quality) for n, serial in enumerate(serials)]
        if good is not None:
            self.good += good
            samples.append(Sample(GOOD, us, 0, float(self.good), None, 0))
        effects = self.accounting.apply(at, samples)
        self.restart()
        return effects


def given(effects: list[Any]) -> list[tuple[str, float]]:
    """Each number with the instant of its pieces."""
    return [(each.serial, (each.counted_at - T0).total_seconds()) for each in effects if isinstance(each, SerialGiven)]


def unclaimed(effects: list[Any]) -> list[str]:
    return [each.serial for each in effects if isinstance(each, SerialUnclaimed)]


@pytest.mark.parametrize("spec", [BEFORE, AFTER], ids=["before", "after"])
def test_number_of_the_same_instant_is_the_pieces_whatever_the_machine_does_otherwise(spec):
    machine = Machine(spec)
    assert given(machine.tell(1, "S1", good=1)) == [("S1", 1)]
    assert given(machine.tell(2, "S2", good=1)) == [("S2", 2)]
    assert given(machine.tell(3, "S3", good=2)) == [("S3", 3)]  # that they are two is seen where they are posted


def test_number_that_a_scanner_reads_waits_for_the_piece():
    machine = Machine(BEFORE)
    assert given(machine.tell(1, "S1")) == []
    assert given(machine.tell(4, good=1)) == [("S1", 4)]
    assert given(machine.tell(5, good=1)) == []  # the scanner missed this one, and the next is not shifted
    machine.tell(6, "S3")
    assert given(machine.tell(7, good=1)) == [("S3", 7)]


def test_number_that_a_marker_tells_belongs_to_the_piece_before():
    machine = Machine(AFTER)
    assert given(machine.tell(1, good=1)) == []
    assert given(machine.tell(3, "S1")) == [("S1", 1)]
    assert given(machine.tell(4, good=1)) == []
    assert given(machine.tell(6, good=1)) == []  # the marker failed on the one before
    assert given(machine.tell(7, "S3")) == [("S3", 6)]
    assert unclaimed(machine.tell(8, "S4")) == ["S4"]


@pytest.mark.parametrize(
    ("spec", "count_at", "read_at"), [(BEFORE, 11.5, 1), (AFTER, 1, 11.5)], ids=["before", "after"]
)
def test_number_too_far_from_the_piece_is_nobodys(spec, count_at, read_at):
    machine = Machine(spec)
    told = [
        machine.tell(at, *(["S1"] if at == read_at else []), good=1 if at == count_at else None)
        for at in sorted((count_at, read_at))
    ]
    assert [given(each) for each in told] == [[], []]
    assert unclaimed(told[1]) == ["S1"]


def test_newest_of_several_numbers_is_the_pieces_and_the_others_are_told():
    machine = Machine(BEFORE)
    machine.tell(1, "S1")
    assert unclaimed(machine.tell(2, "S2")) == ["S1"]
    assert unclaimed(machine.tell(3, "S2")) == []  # read twice
    effects = machine.tell(4, "S3", "S4", good=1)
    assert (given(effects), unclaimed(effects)) == ([("S4", 4)], ["S3", "S2"])


def test_tag_that_goes_on_showing_the_number_of_the_last_piece_tells_nothing_new():
    for spec in (BEFORE, AFTER):
        machine = Machine(spec)
        machine.tell(1, "S1", good=1)
        assert machine.tell(2, "S1") == []
        assert given(machine.tell(3, good=1)) == []
        assert machine.tell(4, "S1") == []  # of the piece before still
        assert given(machine.tell(5, "S1", good=1)) == [("S1", 5)]  # twice: seen where it is posted


def test_empty_text_says_that_there_is_no_piece_and_bad_quality_says_nothing():
    machine = Machine(BEFORE)
    machine.tell(1, "S1")
    machine.tell(2, "")
    assert given(machine.tell(3, good=1)) == []
    machine.tell(4, "S2")
    machine.tell(5, "S3", quality=0x8000_0000)
    assert given(machine.tell(6, good=1)) == [("S2", 6)]
    machine.tell(7, "S4")
    assert given(machine.tell(8, "", good=1)) == []


def test_number_that_comes_too_late_belongs_to_its_own_instant_only():
    machine = Machine(BEFORE)
    machine.tell(5, good=1)
    assert given(machine.tell(5, "S5")) == [("S5", 5)]  # the reading came by another way
    machine.tell(7, good=1)
    assert given(machine.tell(6, "S6")) == [("S6", 6)]  # at 6 nothing was counted: the database finds no piece
    assert given(machine.tell(8, good=1)) == []


def test_word_that_is_no_serial_number_is_refused_and_takes_the_waiting_one_back():
    machine = Machine(SerialSpec(pattern=re.compile("S[0-9]+")))
    machine.tell(1, "S1")
    [refused] = machine.tell(2, "NOREAD")
    assert isinstance(refused, WordRefused)
    assert "serial_pattern is S[0-9]+" in refused.why
    assert given(machine.tell(3, good=1)) == []
    for word, why in (("S\x1d1", "control characters"), ("S" + "1" * 200, "201 characters")):
        effects = machine.tell(4 + len(word), word, good=1)
        assert [why in each.why for each in effects if isinstance(each, WordRefused)] == [True]
        assert given(effects) == []


def test_memory_of_an_earlier_version_has_no_serial_numbers():
    machine = Machine(BEFORE)
    memory = machine.accounting.dump()
    del memory["serials"]
    machine.accounting.restore(memory)
    assert given(machine.tell(1, "S1", good=1)) == [("S1", 1)]
    assert [each.qty for each in machine.tell(2, good=1) if isinstance(each, Counted)] == [1]
