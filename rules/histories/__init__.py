"""Functions of the past that rules may name: one line each in HISTORIES, one family a file."""

from __future__ import annotations

from typing import Final

from rules.histories.history import History, HistoryKind, Number, Parameter, Setting

__all__ = ["HISTORIES", "History", "HistoryKind", "Number", "Parameter", "Setting"]

HISTORIES: Final[dict[str, HistoryKind]] = {}
