"""Printing what is wrong, the same way everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from bridge.errors import Problem


def print_error(message: object, err: Console) -> None:
    """One line, the message as it is: square brackets in it are not markup."""
    err.print(f"[red]error[/] {escape(str(message))}", soft_wrap=True)


def print_problems(problems: Iterable[Problem], err: Console) -> None:
    """Each mistake with its place, in lines of their own."""
    for problem in problems:
        print_error(problem, err)
