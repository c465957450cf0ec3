from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.alarm import AlarmState, Severity, acknowledged, can_be_reset
from rules import lifecycle
from rules.conditions.threshold import Level, Threshold, Verdict
from rules.language import BOOL, NUMBER, Name, Row, Scope, compile_expression

T0 = 1_767_225_600_000_000
SEVERITIES = list(Severity)


def at(seconds: float) -> int:
    return T0 + round(seconds * 1_000_000)


def threshold(*levels: tuple[str, str], on=0, off=0, latch=False) -> Threshold:
    row = Row()

    def expression(text):
        return compile_expression(text, Scope({"v": Name(NUMBER)}), BOOL, row)

    return Threshold(tuple(
        Level(SEVERITIES[i], expression(a), expression(c), timedelta(seconds=on), timedelta(seconds=off), latch)
        for i, (a, c) in enumerate(levels)
    ), ("v",))  # fmt: skip


class Alarm:
    """A life cycle that is fed values of v."""

    def __init__(self, condition: Threshold) -> None:
        self.condition = condition
        self.ladder = lifecycle.Ladder.of(condition.levels)
        self.memory = lifecycle.fresh(len(condition.levels))
        self.told: list[tuple[str, float, str]] = []

    def feed(self, seconds: float, value: float | None, enabled: bool | None = True) -> AlarmState:
        verdicts = self.condition.judge([value])
        self.now = at(seconds)
        self.memory, told = lifecycle.observe(self.memory, self.ladder, self.now, verdicts, enabled=enabled)
        self._tell(told)
        return self.memory.state

    def advance(self, seconds: float) -> AlarmState:
        self.now = at(seconds)
        self.memory, told = lifecycle.advance(self.memory, self.ladder, self.now)
        self._tell(told)
        return self.memory.state

    def acknowledge(self) -> AlarmState:
        state = acknowledged(self.memory.state)
        self.memory = lifecycle.after_operator(self.memory, self.now, acked=True, closed=state is AlarmState.NORMAL)
        return self.memory.state

    def _tell(self, told):
        self.told += [(t.kind, (t.at_us - T0) / 1_000_000, str(t.severity)) for t in told]


def test_multi_level_hysteresis_gives_the_published_sequence():
    alarm = Alarm(threshold(("v >= 60", "v < 50"), ("v >= 70", "v < 60"), ("v >= 80", "v < 70")))
    names = {None: "OK", 0: "INFO", 1: "WARNING", 2: "CRITICAL"}
    seen = []
    for second, value in enumerate((61.0, 73.0, 64.0, 85.0, 62.0, 56.0, 47.0)):
        alarm.feed(second, value)
        seen.append(names[alarm.memory.level])
    assert seen == ["INFO", "WARNING", "WARNING", "CRITICAL", "INFO", "INFO", "OK"]


def test_raise_comes_from_a_timer_at_its_exact_instant():
    alarm = Alarm(threshold(("v > 2.8", "v < 2.5"), on=60))
    alarm.feed(0, 2.0)
    assert alarm.feed(5, 3.0) is AlarmState.PENDING
    assert lifecycle.next_deadline(alarm.memory, alarm.ladder) == at(65)
    alarm.advance(64.999)
    assert alarm.told == []
    assert alarm.feed(70, 3.0) is AlarmState.ACTIVE_UNACK
    assert alarm.told == [("RAISE", 65, "low")]


def test_short_excursion_raises_nothing():
    alarm = Alarm(threshold(("v > 2.8", "v < 2.5"), on=60))
    alarm.feed(0, 3.0)
    assert alarm.feed(59, 2.7) is AlarmState.NORMAL
    alarm.feed(60, 3.0)
    assert alarm.advance(119) is AlarmState.PENDING


def test_unknown_holds_the_timer_and_never_clears():
    alarm = Alarm(threshold(("v > 2.8", "v < 2.5"), on=10, off=10))
    alarm.feed(0, 3.0)
    assert alarm.feed(5, None) is AlarmState.PENDING
    assert alarm.advance(10) is AlarmState.ACTIVE_UNACK
    assert alarm.feed(20, 1.0) is AlarmState.RECOVERING
    assert alarm.feed(25, None) is AlarmState.ACTIVE_UNACK
    assert alarm.advance(1000) is AlarmState.ACTIVE_UNACK


def test_recovering_goes_back_inside_the_deadband():
    alarm = Alarm(threshold(("v > 2.8", "v < 2.5"), off=10))
    alarm.feed(0, 3.0)
    alarm.acknowledge()
    assert alarm.feed(1, 2.0) is AlarmState.RECOVERING
    assert alarm.feed(5, 2.6) is AlarmState.ACTIVE_ACK
    assert alarm.feed(6, 2.0) is AlarmState.RECOVERING
    assert alarm.advance(16) is AlarmState.NORMAL
    assert alarm.told == [("RAISE", 0, "low"), ("RETURN", 16, "low"), ("CLEAR", 16, "low")]


def test_escalation_takes_the_acknowledgement_away():
    alarm = Alarm(threshold(("v > 2", "v < 1"), ("v > 4", "v < 3")))
    alarm.feed(0, 3.0)
    assert alarm.acknowledge() is AlarmState.ACTIVE_ACK
    assert alarm.feed(1, 5.0) is AlarmState.ACTIVE_UNACK
    assert alarm.told[-1] == ("ESCALATE", 1, "medium")


def test_latched_alarm_waits_for_a_reset():
    alarm = Alarm(threshold(("v > 2", "v < 1"), latch=True))
    alarm.feed(0, 3.0)
    assert not can_be_reset(alarm.memory.state)
    alarm.acknowledge()
    assert alarm.feed(1, 0.5) is AlarmState.LATCHED
    assert can_be_reset(alarm.memory.state)
    alarm.memory = lifecycle.after_operator(alarm.memory, alarm.now, acked=True, closed=True)
    assert alarm.memory.state is AlarmState.NORMAL
    assert not alarm.memory.latched


def test_suppressed_by_design_neither_raises_nor_clears():
    alarm = Alarm(threshold(("v > 2", "v < 1"), on=5))
    alarm.feed(0, 3.0, enabled=False)
    assert alarm.advance(100) is AlarmState.NORMAL
    alarm.feed(100, 3.0)
    alarm.advance(105)
    assert alarm.feed(110, 0.0, enabled=False) is AlarmState.ACTIVE_UNACK


def test_memory_survives_as_text_also_into_a_rule_with_other_levels():
    three = threshold(("v > 2", "v < 1"), ("v > 4", "v < 3"), ("v > 6", "v < 5"), on=3)
    alarm = Alarm(three)
    alarm.feed(0, 7.0)
    alarm.advance(3)
    stored = lifecycle.dump(alarm.memory, alarm.ladder)
    assert lifecycle.restore(stored, alarm.ladder) == alarm.memory
    fewer = lifecycle.restore(stored, lifecycle.Ladder.of(three.levels[:2]))
    assert fewer.level == 1
    assert fewer.is_open


class Brute:
    """The same table of states, written as a loop over every second."""

    def __init__(self, on: list[int], off: list[int], latch: list[bool]) -> None:
        self.on, self.off, self.latch = on, off, latch
        n = len(on)
        self.up: list[int | None] = [None] * n
        self.down: list[int | None] = [None] * n
        self.level: int | None = None
        self.acked = self.was_latched = False
        self.ended: str | None = None
        self.told: list[tuple[str, int]] = []

    def second(self, t: int, verdicts: list[tuple[bool | None, bool | None]]) -> None:
        self._settle(t)
        for j, (holds, clear) in enumerate(verdicts):
            if holds is not None:
                self.up[j] = (t if self.up[j] is None else self.up[j]) if holds else None
            self.down[j] = (t if self.down[j] is None else self.down[j]) if clear else None
        self._settle(t)

    def _settle(self, t: int) -> None:
        while self._enter(t) or self._leave(t):
            pass

    def _enter(self, t: int) -> bool:
        for j in reversed(range(len(self.on))):
            if (self.level is None or j > self.level) and self.up[j] is not None and t >= self.up[j] + self.on[j]:
                self.told.append(("RAISE" if self.level is None else "ESCALATE", t))
                self.level, self.acked, self.ended, self.down[j] = j, False, None, None
                self.was_latched |= self.latch[j]
                return True
        return False

    def _clear_long_enough(self, j: int, t: int) -> bool:
        return self.down[j] is not None and t >= self.down[j] + self.off[j]

    def _leave(self, t: int) -> bool:
        if self.level is None or not self._clear_long_enough(self.level, t):
            return False
        lower = [j for j in range(self.level) if self.up[j] is not None]
        if lower or (self.level > 0 and not self._clear_long_enough(0, t)):
            self.level = lower[-1] if lower else 0
            self.told.append(("DEESCALATE", t))
            return True
        self.level = None
        self.told.append(("RETURN", t))
        if self.was_latched:
            self.ended = "LATCHED"
            self.told.append(("LATCH", t))
        elif self.acked:
            self.acked = False
            self.told.append(("CLEAR", t))
        else:
            self.ended = "RTN_UNACK"
        return True

    def acknowledge(self) -> None:
        if self.level is not None or self.ended == "LATCHED":
            self.acked = True
        elif self.ended == "RTN_UNACK":
            self.ended, self.was_latched = None, False


delay = st.integers(0, 6)
sample = st.tuples(
    st.integers(1, 5), st.sampled_from([0.0, 1.5, 2.5, 3.5, 4.5, 5.5, None]), st.sampled_from(["", "", "", "ack"])
)


@settings(max_examples=600, deadline=None)
@given(st.lists(delay, min_size=2, max_size=2), st.lists(delay, min_size=2, max_size=2), st.lists(st.booleans(), min_size=2, max_size=2),
       st.lists(sample, max_size=30))  # fmt: skip
def test_life_cycle_agrees_with_a_loop_over_every_second(on, off, latch, samples):
    base = threshold(("v > 2", "v < 1"), ("v > 4", "v < 3"))
    condition = Threshold(tuple(
        Level(level.severity, level.condition, level.clear, timedelta(seconds=on[i]), timedelta(seconds=off[i]), latch[i])
        for i, level in enumerate(base.levels)
    ), ("v",))  # fmt: skip
    alarm, brute = Alarm(condition), Brute(on, off, latch)
    t, verdicts = 0, [Verdict(None, None)] * 2
    for gap, value, action in samples:
        for second in range(t + 1, t + gap):
            brute.second(second, [(v.holds, v.clear) for v in verdicts])
        t += gap
        verdicts = list(condition.judge([value]))
        alarm.feed(t, value)
        brute.second(t, [(v.holds, v.clear) for v in verdicts])
        assert (alarm.memory.level, alarm.memory.ended) == (brute.level, brute.ended)
        if action:
            alarm.acknowledge()
            brute.acknowledge()
    alarm.advance(t + 100)
    for second in range(t + 1, t + 101):
        brute.second(second, [(v.holds, v.clear) for v in verdicts])
    assert [(kind, second) for kind, second, _ in alarm.told] == brute.told
