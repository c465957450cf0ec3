"""Mistakes in an expression, each at its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; `offset` counts characters of the expression from 0."""

    offset: int
    message: str


class ExpressionError(ValueError):
    """An expression cannot be used; `mistakes` holds all that were found, in the order of the text."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.offset)
        super().__init__("; ".join(f"at {m.offset + 1}: {m.message}" for m in self.mistakes))


_LONGEST: Final = 80  # of a word that is looked for; the work of the search grows with its square
_MOST: Final = 20  # names that are listed


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?` where something near is known, otherwise what there is."""
    names = sorted(known)
    if near := difflib.get_close_matches(word[:_LONGEST], names, n=1, cutoff=0.6):
        return f"; did you mean {near[0]}?"
    more = ", ..." if len(names) > _MOST else ""
    return f"; there is {', '.join(names[:_MOST])}{more}" if names else ""
