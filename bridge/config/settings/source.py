"""What all sources have: a name, a lane, and how far their clocks are believed."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from bridge.config.settings.table import Duration, Table


class ClockSettings(Table):
    """How far a source's own times are believed. Before 2001 and more than a day ahead they never are."""

    policy: Literal["trust", "clamp", "quarantine"] = Field(
        "trust",
        description="trust: keep the source's time. clamp: beyond the bounds take the time of arrival and mark the quality"
        " uncertain. quarantine: beyond the bounds the reading is a dead letter. Default trust.",
    )
    past: Duration | None = Field(
        None, gt=timedelta(0), description='How old a source time may be at its arrival, e.g. "7 d". Default no bound.'
    )
    future: Duration | None = Field(
        None, ge=timedelta(0), description='How far it may be ahead of its arrival, e.g. "5 s". Default one day.'
    )

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        has_bounds = self.past is not None or self.future is not None
        if self.policy == "trust" and has_bounds:
            raise ValueError("trust knows no bounds: take past and future away, or write clamp or quarantine")
        if self.policy != "trust" and not has_bounds:
            raise ValueError(f'{self.policy} needs a bound: past = "7 d", future = "5 s", or both')
        return self


class SourceTable(Table):
    """What all sources have."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$", description="Name of the source, unique.")
    lane: int = Field(
        ge=0,
        le=32767,
        description="A number of its own for each source: lane = 1, 2, ... Its batches are numbered in it, so it stays as it is.",
    )
    clock: ClockSettings = ClockSettings()
