"""An expression of a rule: its text, its tree and the closure that evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.language.check import check
from rules.language.closures import Closure, build, slots
from rules.language.mistake import ExpressionError, Mistake
from rules.language.parse import parse
from rules.language.tree import Binary, Literal, Named, Node
from rules.language.types import Kind, Name


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; `evaluate` takes the values of `slots` (`v`, `delta(v)`) by the indexes it was compiled for."""

    text: str
    tree: Node = field(repr=False, compare=False)
    slots: tuple[str, ...]
    evaluate: Closure = field(repr=False, compare=False)

    def limits(self) -> list[tuple[str, float]]:
        """The comparisons of an input with a number that stand in it: (input, limit)."""
        return _limits(self.tree)


def compile_expression(text: str, names: Mapping[str, Name], kind: Kind, places: dict[str, int]) -> Expression:
    """Compile an expression of type `kind`. Slots that are new to `places` are given the next index.

    Expressions that share `places` are evaluated over one row of values. Raises ExpressionError with every mistake.
    """
    tree = parse(text)
    found, mistakes = check(tree, names)
    if found and found is not kind:
        mistakes.append(Mistake(0, f"a {kind.value} is wanted here, this is a {found.value}"))
    if mistakes:
        raise ExpressionError(mistakes)
    used = slots(tree)
    for slot in used:
        places.setdefault(slot, len(places))
    return Expression(text, tree, tuple(used), build(tree, places))


def _limits(node: Node) -> list[tuple[str, float]]:
    if not isinstance(node, Binary):
        return []
    if node.operator in ("&&", "||"):
        return _limits(node.left) + _limits(node.right)
    match node:
        case Binary(left=Named(name=name), right=Literal(value=float(limit))):
            return [(name, limit)]
        case _:
            return []
