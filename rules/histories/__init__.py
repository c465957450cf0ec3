"""Functions of the past that rules may name: one family a file, its kinds in the file's KINDS; all of them in HISTORIES."""

from __future__ import annotations

from typing import Final

from rules.histories import baseline, control, hotelling, novelty, sampled, spectrum, steps, watch, windows
from rules.histories.history import History, HistoryKind, Number, Parameter, Setting

__all__ = ["HISTORIES", "History", "HistoryKind", "Number", "Parameter", "Setting"]

HISTORIES: Final[dict[str, HistoryKind]] = {
    kind.name: kind
    for family in (steps, windows, sampled, watch, control, baseline, hotelling, novelty, spectrum)
    for kind in family.KINDS
}
