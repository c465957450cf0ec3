"""A window that slides over time and keeps a summary of what is in it, without ever subtracting: nothing drifts.

Two stacks: the older part of the window has its suffix summaries ready, the newer part one running summary; together they are
the window's. When the older part is used up, the newer becomes the older (each cell is merged twice in its life, O(1) a reading).
A cell is one reading, until there are more than MOST of them in the window; from then on, until the window is empty again, a cell
is what was read in one pane of 1/PANES of the window. A cell leaves as a whole when its newest reading is older than the window:
the window is half open, (now - window, now], exact for cells of one reading and to 1/PANES otherwise.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Final, NamedTuple

MOST: Final = 360
PANES: Final = 180

Cell = tuple[float, ...]


class Family(NamedTuple):
    """A kind of summary: how many numbers it has and how two neighbours, the older first, become one."""

    width: int
    merge: Callable[[Cell, Cell], Cell]
    most: int = MOST
    panes: int = PANES


class Sliding:
    """The summary of the cells of a window. Cells come in the order of time."""

    __slots__ = (
        "_back", "_cells", "_family", "_front", "_head", "_mid", "_older", "_pane_us", "_times", "_window_us", "changes", "leaves_us",
    )  # fmt: skip

    def __init__(self, window_us: int, family: Family) -> None:
        self._window_us = window_us
        self._family = family
        self.changes = 0  # rises whenever the summary may have changed
        self._clear()

    def _clear(self) -> None:
        self._times = array("q")  # the newest reading of each cell
        self._cells = array("d")
        self._head = 0  # the oldest cell in the window
        self._mid = 0  # the first of the newer part
        self._front = array("d")  # summaries of [i, mid) for each i below mid
        self._older: Cell | None = None  # the one that holds now
        self._back: Cell | None = None
        self._pane_us = 0  # 0: a cell is a reading
        # When the oldest cell has left: a microsecond after its time, so that a reading at that very instant comes first.
        self.leaves_us: int | None = None

    def put(self, at_us: int, cell: Cell) -> None:
        """Add what was read at an instant, not before the newest."""
        self.drop(at_us)
        self.changes += 1
        times = self._times
        if self._pane_us and times and self._mid < len(times) and times[-1] // self._pane_us == at_us // self._pane_us:
            width = self._family.width
            self._cells[-width:] = array("d", self._family.merge(tuple(self._cells[-width:]), cell))
            times[-1] = at_us
        else:
            times.append(at_us)
            self._cells.extend(cell)
        self._back = cell if self._back is None else self._family.merge(self._back, cell)
        if self.leaves_us is None or self._head == len(times) - 1:
            self._look_at_head()
        if not self._pane_us and len(times) - self._head > self._family.most:
            self._coarsen()

    def drop(self, now_us: int) -> None:
        """Let leave what is older than the window."""
        if self.leaves_us is None or now_us < self.leaves_us - 1:
            return
        times, since = self._times, now_us - self._window_us
        self.changes += 1
        if times[-1] <= since:
            self._clear()
            return
        while times[self._head] <= since:
            self._head += 1
        if self._head >= self._mid:
            self._flip()
        else:
            self._look_at_head()

    def total(self) -> Cell | None:
        """The summary of the window; None where it is empty. Call `drop` before."""
        older, newer = self._older, self._back
        if older is None:
            return newer
        return older if newer is None else self._family.merge(older, newer)

    def _look_at_head(self) -> None:
        """Keep at hand when the oldest cell leaves, and the summary of the older part."""
        head, width = self._head, self._family.width
        is_empty = head >= len(self._times)
        self.leaves_us = None if is_empty else self._times[head] + self._window_us + 1
        self._older = tuple(self._front[head * width : (head + 1) * width]) if head < self._mid else None

    def dump(self) -> list[Any]:
        """The cells, the border of the two parts and the running summary; the other summaries follow from them."""
        at, width = self._head, self._family.width
        return [
            self._pane_us,
            self._times[at:].tolist(),
            self._cells[at * width :].tolist(),
            max(0, self._mid - at),
            None if self._back is None else list(self._back),
        ]

    def restore(self, stored: list[Any]) -> None:
        """Become what was dumped."""
        pane_us, times, cells, mid, back = stored
        if len(cells) != len(times) * self._family.width or not 0 <= mid <= len(times):
            raise ValueError("not the dump of such a window")
        self._clear()
        self.changes += 1
        self._pane_us, self._mid = int(pane_us), int(mid)
        self._times, self._cells = array("q", times), array("d", cells)
        self._back = None if back is None else tuple(float(number) for number in back)
        self._summarise()

    def _flip(self) -> None:
        """Forget what has left; the newer part becomes the older, but for the newest cell, which may still grow."""
        width = self._family.width
        del self._times[: self._head]
        del self._cells[: self._head * width]
        self._head, self._mid = 0, len(self._times) - 1
        self._back = tuple(self._cells[-width:])
        self._summarise()

    def _summarise(self) -> None:
        width, merge, cells = self._family.width, self._family.merge, self._cells
        self._front = front = array("d", bytes(8 * width * self._mid))
        summary: Cell | None = None
        for index in range(self._mid - 1, -1, -1):
            cell = tuple(cells[index * width : (index + 1) * width])
            summary = cell if summary is None else merge(cell, summary)
            front[index * width : (index + 1) * width] = array("d", summary)
        self._look_at_head()

    def _coarsen(self) -> None:
        """From cells of one reading to cells of one pane."""
        width, merge = self._family.width, self._family.merge
        pane_us = self._pane_us = max(1, self._window_us // self._family.panes)
        times, cells = array("q"), array("d")
        for index in range(self._head, len(self._times)):
            at_us, cell = self._times[index], tuple(self._cells[index * width : (index + 1) * width])
            if times and times[-1] // pane_us == at_us // pane_us:
                cells[-width:] = array("d", merge(tuple(cells[-width:]), cell))
                times[-1] = at_us
            else:
                times.append(at_us)
                cells.extend(cell)
        self._times, self._cells, self._head = times, cells, 0
        self._flip()
