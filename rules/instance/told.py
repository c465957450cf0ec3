"""What an instance sees of its asset, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bridge.model.production import MachineState
from rules.lifecycle import Transition


class Situation(NamedTuple):
    """What the asset is doing, for `when_state`, histories with `where`, and the facts that expressions may name."""

    state: MachineState | None = None
    since_us: int | None = None  # when the present state began
    order: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A transition with the inputs as they were.

    `inputs`: name -> {tag, value, unit, quality, at}. `because`: what the levels made of them, see `Instance.explain`.
    """

    transition: Transition
    inputs: dict[str, Any]
    because: dict[str, Any] = field(default_factory=dict)
