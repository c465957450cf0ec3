"""Showing the steps of a set-up: a bar on a terminal, a line for each step in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bridge.store.embedded import Progress as Report


@contextmanager
def steps_on(out: Console) -> Iterator[Report]:
    """A function that shows the step in hand and how far it is (0 to 1; None: not known). It may be called from any thread."""
    if not out.is_terminal:
        yield _lines(out)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bars:
        current: dict[str, TaskID] = {}

        def show(step: str, fraction: float | None) -> None:
            for name in [name for name in current if name != step]:
                bars.remove_task(current.pop(name))
            if step not in current:
                current[step] = bars.add_task(step, total=1 if fraction is not None else None)
            bars.update(current[step], completed=fraction or 0)

        yield show


def _lines(out: Console) -> Report:
    said: set[str] = set()

    def say(step: str, _fraction: float | None) -> None:
        if step not in said:
            said.add(step)
            out.print(f"  {step} ...")

    return say
