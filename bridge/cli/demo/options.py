"""What the demonstration's command line says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says; times in seconds."""

    duration_s: float | None
    report: Path | None
    keep: Path | None
    port: int | None
    seed: int
    erp_failures: float
