"""How a long step tells a person that it moves."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Takes the step's name and how much of it is done, 0 to 1; None where that cannot be known. Called from any thread."""


def silent(_step: str, _fraction: float | None) -> None:
    """Say nothing."""
