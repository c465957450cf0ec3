"""The life cycle against a model of its own: the table of states of ISA-18.2 as a person would play it, second by second.

The model knows nothing of deadlines: it counts seconds. Hypothesis plays readings, silences, unknown values, acknowledgements, resets
and machine stops at both, and looks for a sequence in which they differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.model.alarm import AlarmState, Severity, acknowledged, can_be_reset
from rules import lifecycle
from rules.conditions.threshold import Level, Verdict
from rules.language import BOOL, NUMBER, Name, Row, Scope, compile_expression

SECOND = 1_000_000
LEVELS = 2


@dataclass
class Table:
    """The table of states, played by the second. `for_how_long` counts how many seconds each condition has held, None if it does not."""

    on: list[int]
    off: list[int]
    latch: list[bool]
    rearm: int
    realarm: int
    held: list[int | None] = field(default_factory=lambda: [None] * LEVELS)
    clear: list[int | None] = field(default_factory=lambda: [None] * LEVELS)
    state: str = "NORMAL"  # NORMAL, ACTIVE, RTN_UNACK, LATCHED
    level: int = -1
    acked_for: int | None = None
    raised_ago: int | None = None
    must_reset: bool = False
    told: list[tuple[str, int]] = field(default_factory=list)

    def second_passes(self, now: int) -> None:
        self.held = [None if n is None else n + 1 for n in self.held]
        self.clear = [None if n is None else n + 1 for n in self.clear]
        self.acked_for = None if self.acked_for is None else self.acked_for + 1
        self.raised_ago = None if self.raised_ago is None else self.raised_ago + 1
        self.happen(now)

    def read(self, now: int, verdicts: list[tuple[bool | None, bool | None]], enabled: bool | None) -> None:
        for n, (holds, is_clear) in enumerate(verdicts if enabled is not None else [(None, None)] * LEVELS):
            if holds is not None:
                self.held[n] = (self.held[n] or 0) if holds else None
            self.clear[n] = (self.clear[n] or 0) if is_clear else None
        if enabled is False:
            self.held, self.clear = [None] * LEVELS, [None] * LEVELS
        self.happen(now)

    def happen(self, now: int) -> None:
        while self._rise(now) or self._fall(now) or self._call_again(now):
            pass

    def _rise(self, now: int) -> bool:
        for n in reversed(range(LEVELS)):
            held = self.held[n]
            if held is None or held < self.on[n] or (self.state == "ACTIVE" and n <= self.level):
                continue
            if self.state != "ACTIVE":
                if self.raised_ago is not None and self.raised_ago < self.rearm:
                    continue
                self.raised_ago = 0
            self.told.append(("ESCALATE" if self.state == "ACTIVE" else "RAISE", now))
            self.state, self.level, self.acked_for, self.clear[n] = "ACTIVE", n, None, None
            self.must_reset = self.must_reset or self.latch[n]
            return True
        return False

    def _gone(self, n: int) -> bool:
        cleared = self.clear[n]
        return cleared is not None and cleared >= self.off[n]

    def _fall(self, now: int) -> bool:
        if self.state != "ACTIVE" or not self._gone(self.level):
            return False
        below = [n for n in range(self.level) if self.held[n] is not None]
        if below or (self.level > 0 and not self._gone(0)):
            self.level = below[-1] if below else 0
            self.told.append(("DEESCALATE", now))
            return True
        self.told.append(("RETURN", now))
        was_acked, self.level = self.acked_for is not None, -1
        if self.must_reset:
            self.state = "LATCHED"
            self.told.append(("LATCH", now))
        elif was_acked:
            self._end()
            self.told.append(("CLEAR", now))
        else:
            self.state = "RTN_UNACK"
        return True

    def _call_again(self, now: int) -> bool:
        if self.state != "ACTIVE" or self.recovering or not self.realarm:
            return False
        if self.acked_for is None or self.acked_for < self.realarm:
            return False
        self.acked_for = None
        self.told.append(("REALARM", now))
        return True

    @property
    def recovering(self) -> bool:
        return self.state == "ACTIVE" and None not in self.clear[: self.level + 1]

    @property
    def name(self) -> str:
        if self.state == "ACTIVE":
            return "RECOVERING" if self.recovering else "ACTIVE_UNACK" if self.acked_for is None else "ACTIVE_ACK"
        if self.state != "NORMAL":
            return self.state
        return "PENDING" if any(n is not None for n in self.held) else "NORMAL"

    def acknowledge(self) -> None:
        if self.state == "RTN_UNACK":
            self._end()
        elif self.state != "NORMAL" and self.acked_for is None:
            self.acked_for = 0

    def reset(self) -> None:
        if self.state == "LATCHED":
            self._end()

    def _end(self) -> None:
        self.state, self.level, self.acked_for, self.must_reset = "NORMAL", -1, None, False


def levels_of(on: list[int], off: list[int], latch: list[bool], rearm: int, realarm: int) -> list[Level]:
    true = compile_expression("v > 0", Scope({"v": Name(NUMBER)}), BOOL, Row())
    seconds = timedelta(seconds=1)
    return [
        Level(severity, true, None, on[n] * seconds, off[n] * seconds, latch[n], rearm * seconds, realarm * seconds)
        for n, severity in zip(range(LEVELS), Severity, strict=False)
    ]


# What a value can say of two levels: nothing, clear of both, inside the first's deadband, above the first, in between, above both.
VERDICTS = [
    [(None, None), (None, None)],
    [(False, True), (False, True)],
    [(False, False), (False, True)],
    [(True, False), (False, True)],
    [(True, False), (False, False)],
    [(True, False), (True, False)],
    [(None, None), (True, False)],
]
delay = st.integers(0, 5)


class LifeCycle(RuleBasedStateMachine):
    """Plays at the life cycle and at the table at once."""

    @initialize(
        on=st.tuples(delay, delay), off=st.tuples(delay, delay), latch=st.tuples(st.booleans(), st.booleans()),
        rearm=st.sampled_from([0, 0, 7]), realarm=st.sampled_from([0, 0, 4]),
    )  # fmt: skip
    def begin(self, on, off, latch, rearm, realarm) -> None:
        self.table = Table(list(on), list(off), list(latch), rearm, realarm)
        self.ladder = lifecycle.Ladder.of(levels_of(on, off, latch, rearm, realarm))
        self.memory = lifecycle.fresh(LEVELS)
        self.now = 0
        self.seen = 0  # the life cycle is not asked every second
        self.told: list[tuple[str, int]] = []

    def _take(self, outcome: lifecycle.Outcome) -> None:
        self.memory, told = outcome
        self.told += [(each.kind, each.at_us // SECOND) for each in told]
        self.seen = self.now

    @rule(seconds=st.integers(1, 9))
    def time_passes_and_nobody_asks(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.table.second_passes(self.now)

    @rule()
    def somebody_asks(self) -> None:
        self._take(lifecycle.advance(self.memory, self.ladder, self.now * SECOND))

    @rule(verdicts=st.sampled_from(VERDICTS), enabled=st.sampled_from([True, True, True, True, False, None]))
    def value_is_read(self, verdicts, enabled) -> None:
        self.table.read(self.now, verdicts, enabled)
        found = [Verdict(*each) for each in verdicts]
        self._take(lifecycle.observe(self.memory, self.ladder, self.now * SECOND, found, enabled=enabled))

    @rule(worst=st.sampled_from(VERDICTS[3:]))
    def alarm_comes_and_goes(self, worst) -> None:
        """A whole alarm at once: chance alone seldom plays one to its end."""
        for verdicts in (worst, VERDICTS[1]):
            self.value_is_read(verdicts, True)
            self.time_passes_and_nobody_asks(8)
            self.somebody_asks()

    @rule()
    def operator_acknowledges(self) -> None:
        self.somebody_asks()
        closed = acknowledged(self.memory.state) is AlarmState.NORMAL
        acked = self.memory.is_open
        self.table.acknowledge()
        self.memory = lifecycle.after_operator(self.memory, self.now * SECOND, acked=acked, closed=closed)

    @rule()
    def operator_resets(self) -> None:
        self.somebody_asks()
        self.table.reset()
        if can_be_reset(self.memory.state):
            self.memory = lifecycle.after_operator(self.memory, self.now * SECOND, acked=True, closed=True)

    @rule()
    def process_is_killed_and_begins_again(self) -> None:
        self.memory = lifecycle.restore(lifecycle.dump(self.memory, self.ladder), self.ladder)

    @precondition(lambda self: self.seen == self.now)
    @invariant()
    def they_agree(self) -> None:
        if hasattr(self, "table"):
            assert str(self.memory.state) == self.table.name
            assert self.told == self.table.told

    def teardown(self) -> None:
        if hasattr(self, "table"):
            self.time_passes_and_nobody_asks(40)
            self.somebody_asks()
            assert self.told == self.table.told


TestLifeCycle = LifeCycle.TestCase
TestLifeCycle.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
