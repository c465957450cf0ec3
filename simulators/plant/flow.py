"""Pieces and orders on their way through a line: saw, cnc, inspection, with small buffers between.

A discrete-event model in simulated seconds (simpy), seeded, with no clock and no network in it: the same
seed and the same orders give the same run. What happens is told to a `Listener`; state names are those of
PackML (ISA-TR88.00.02) with STARVED and BLOCKED for the two kinds of waiting, SETUP and MAINTENANCE.

Law of the flow, true at any instant for any order: started = scrap + good + in buffers + in hand.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

import simpy

from simulators.plant.layout import COUNTER_MODULUS, MachineSpec, Value

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Order:
    """A manufacturing order as the plant knows it; the number is what stays the same in the ERP."""

    number: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How a line behaves: seconds, shares of 1, pieces."""

    buffer_pieces: int = 4
    setup_s: float = 3.0
    short_stop_share: float = 0.03
    short_stop_s: tuple[float, float] = (2.0, 5.0)
    long_stop_share: float = 0.005
    long_stop_s: tuple[float, float] = (8.0, 15.0)


class Listener(Protocol):
    """Hears every change at a machine; readings given together belong to the same instant."""

    def changed(self, machine: Machine, readings: dict[str, Value]) -> None:
        """Take event tags that changed at the simulation's present time."""

    def piece_made(self, machine: Machine, order: str, good: bool) -> None:
        """Take one piece that a machine finished, good or scrap."""

    def state_left(self, machine: Machine, state: str, seconds: float) -> None:
        """Take the time that a machine spent in the state which it leaves."""


class Signal:
    """Wakes all that wait; what they wait for they check themselves."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._event = env.event()

    def wait(self) -> simpy.Event:
        """Give the event of the next call of `fire`."""
        return self._event

    def fire(self) -> None:
        """Wake everything that waits now."""
        fired, self._event = self._event, self._env.event()
        fired.succeed()


@dataclass(slots=True)
class Line:
    """Machines in a row, the orders before them and the buffers between them."""

    env: simpy.Environment
    pace: Pace
    signal: Signal
    machines: list[Machine] = field(default_factory=list)
    buffers: list[deque[str]] = field(default_factory=list)
    waiting: deque[Order] = field(default_factory=deque)
    order: Order | None = None
    started: Counter[str] = field(default_factory=Counter)
    scrapped: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)

    def add_order(self, order: Order) -> None:
        """Put an order behind those that wait, and begin it when there is none in work."""
        self.waiting.append(order)
        if self.order is None:
            self._begin_next_order()

    def start_piece(self) -> str | None:
        """Give the order of a new piece, or None when enough are under way; scrap is made up for."""
        if self.order is None:
            return None
        number = self.order.number
        if self.started[number] - self.scrapped[number] >= self.order.quantity:
            return None
        self.started[number] += 1
        return number

    def scrap(self, order: str) -> None:
        """Take a piece out of the flow."""
        self.scrapped[order] += 1
        self.signal.fire()

    def finish(self, order: str) -> None:
        """Take a good piece of the final operation; the last one of an order begins the next order."""
        self.finished[order] += 1
        if self.order is not None and self.finished[order] >= self.order.quantity:
            self._begin_next_order()
        self.signal.fire()

    def _begin_next_order(self) -> None:
        self.order = self.waiting.popleft() if self.waiting else None
        self.signal.fire()


class Machine:
    """One work unit: takes a piece, works on it, and hands it on or scraps it."""

    def __init__(self, spec: MachineSpec, line: Line, position: int, rng: random.Random, listener: Listener) -> None:
        self.spec = spec
        self.line = line
        self.state = "IDLE"
        self.reason = "no order"
        self.order = ""
        self.scrap_reason = ""
        self.good = 65510 + rng.randrange(16)
        self.scrap = 65533 + rng.randrange(2)
        self.in_hand: str | None = None
        self.may_stop = True
        self.repair_s = 0.0
        self._since = line.env.now
        self._rng = rng
        self._listener = listener
        self._before = line.buffers[position - 1] if position else None
        self._behind = line.buffers[position] if position < len(line.buffers) else None

    def everything(self) -> dict[str, Value]:
        """All event tags as they are now."""
        return {**self._situation(), "state.reason": self.reason, **self._counters(), "scrap.reason": self.scrap_reason}

    def enter(self, state: str, reason: str = "") -> None:
        """Change the state and tell it; nothing happens when it is the same already."""
        if (state, reason) == (self.state, self.reason):
            return
        self.account()
        self.state, self.reason = state, reason
        self._listener.changed(self, {**self._situation(), "state.reason": reason})

    def account(self) -> None:
        """Tell how long the present state has lasted since it was last told."""
        self._listener.state_left(self, self.state, self.line.env.now - self._since)
        self._since = self.line.env.now

    def run(self) -> Steps:
        """Work for ever."""
        while True:
            yield from self._take()
            yield from self._work()
            yield from self._hand_on()

    def _take(self) -> Steps:
        while True:
            if self.repair_s:
                yield from self._maintain()
            elif self.line.order is None:
                self.enter("IDLE", "no order")
                yield self.line.signal.wait()
            elif self.order != self.line.order.number:
                yield from self._set_up(self.line.order.number)
            elif (piece := self._next_piece()) is not None:
                self.in_hand = piece
                return
            else:
                self.enter("STARVED", "no piece")
                yield self.line.signal.wait()

    def _next_piece(self) -> str | None:
        if self._before is None:
            return self.line.start_piece()
        if not self._before:
            return None
        piece = self._before.popleft()
        self.line.signal.fire()
        return piece

    def _set_up(self, order: str) -> Steps:
        self.order = order
        self.enter("SETUP", "order change")
        yield self.line.env.timeout(self.line.pace.setup_s * self._rng.uniform(0.8, 1.3))

    def _maintain(self) -> Steps:
        self.enter("MAINTENANCE", "spindle bearing")
        yield self.line.env.timeout(self.repair_s)
        self.repair_s = 0.0

    def _work(self) -> Steps:
        self.enter("EXECUTE")
        cycle_s = self.spec.ideal_cycle_s * (1 + min(self._rng.expovariate(25), 0.3))
        stop_s, reason = self._draw_stop()
        if stop_s and self.may_stop:
            done = self._rng.uniform(0.2, 0.8)
            yield self.line.env.timeout(cycle_s * done)
            self.enter("ABORTED", reason)
            yield self.line.env.timeout(stop_s)
            self.enter("EXECUTE")
            cycle_s *= 1 - done
        yield self.line.env.timeout(cycle_s)

    def _draw_stop(self) -> tuple[float, str]:
        pace, chance = self.line.pace, self._rng.random()
        *short, long = self.spec.stop_reasons
        if chance < pace.long_stop_share:
            return self._rng.uniform(*pace.long_stop_s), long
        if chance < pace.long_stop_share + pace.short_stop_share:
            return self._rng.uniform(*pace.short_stop_s), self._rng.choice(short)
        return 0.0, ""

    def _hand_on(self) -> Steps:
        piece = self.in_hand
        assert piece is not None
        good = self._rng.random() >= self.spec.scrap_share
        self._count(piece, good)
        if not good:
            self.in_hand = None
            self.line.scrap(piece)
        elif self._behind is None:
            self.in_hand = None
            self.line.finish(piece)
        else:
            yield from self._put(self._behind, piece)

    def _put(self, buffer: deque[str], piece: str) -> Steps:
        while len(buffer) >= self.line.pace.buffer_pieces:
            self.enter("BLOCKED", "buffer full")
            yield self.line.signal.wait()
        buffer.append(piece)
        self.in_hand = None
        self.line.signal.fire()

    def _count(self, order: str, good: bool) -> None:
        scrap: dict[str, Value] = {}
        if good:
            self.good = (self.good + 1) % COUNTER_MODULUS
        else:
            self.scrap = (self.scrap + 1) % COUNTER_MODULUS
            self.scrap_reason = self._rng.choice(self.spec.scrap_reasons)
            scrap = {"scrap.reason": self.scrap_reason}
        self._listener.piece_made(self, order, good)
        self._listener.changed(self, {**self._situation(), **self._counters(), **scrap})

    def _situation(self) -> dict[str, Value]:
        return {"state": self.state, "order.number": self.order}

    def _counters(self) -> dict[str, Value]:
        return {"parts.good": self.good, "parts.scrap": self.scrap}


def build_line(
    env: simpy.Environment, specs: tuple[MachineSpec, ...], seed: int, pace: Pace, listener: Listener
) -> Line:
    """Build a line whose machines run as soon as the environment is stepped."""
    line = Line(env, pace, Signal(env))
    line.buffers = [deque() for _ in specs[1:]]
    for position, spec in enumerate(specs):
        machine = Machine(spec, line, position, random.Random(f"{seed}:{spec.name}"), listener)
        line.machines.append(machine)
        env.process(machine.run())
    return line
