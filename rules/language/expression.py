"""An expression of a rule: its text, its tree, the closure that evaluates it, and the histories that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.model.production import MachineState
from rules.histories import HistoryKind, Setting
from rules.language.canonical import text_of
from rules.language.check import check
from rules.language.closures import Closure, build, slots
from rules.language.mistake import ExpressionError, Mistake
from rules.language.parse import parse
from rules.language.tree import Binary, Literal, Named, Node, Past, parts
from rules.language.typed import Scope, Typed, named_in
from rules.language.types import Kind, Name

MAX_HISTORIES: Final = 64  # of one rule


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; `evaluate` takes the values of `slots` (`v`, `mean(v, 300s)`) by the indexes it was compiled for."""

    text: str
    tree: Node = field(repr=False, compare=False)
    slots: tuple[str, ...]
    evaluate: Closure = field(repr=False, compare=False)

    def limits(self) -> list[tuple[str, float]]:
        """The comparisons of an input with a number that stand in it: (input, limit)."""
        return _limits(self.tree)


@dataclass(frozen=True, slots=True)
class HistorySpec:
    """A history that a rule keeps on each of its assets.

    `slot` is its canonical text, e.g. "mean(v, 300s)": the key of its dump and of its place in the row. `arguments` are over the
    rule's common row. `inputs` are those that the arguments name, directly or through other histories (of a waveform only the first
    argument's): it is taken when one of them is read. It is taken only while the
    machine is in one of the states of `where`; empty is always.
    """

    slot: str
    kind: HistoryKind = field(compare=False)
    setting: Setting
    arguments: tuple[Expression, ...]
    inputs: frozenset[str]
    where: frozenset[MachineState] = frozenset()


@dataclass(slots=True)
class Row:
    """What all expressions of a rule share: the place of each slot, and the histories, each after those that it reads."""

    places: dict[str, int] = field(default_factory=dict)
    histories: dict[str, HistorySpec] = field(default_factory=dict)


def compile_expression(text: str, scope: Scope, kind: Kind, row: Row) -> Expression:
    """Compile an expression of type `kind`. Slots and histories that are new to `row` are added to it.

    Raises ExpressionError with every mistake.
    """
    found = resolve(text, scope, kind)
    _add_histories(found.node, scope.names, row)
    return _expression(text, found.node, row)


def resolve(text: str, scope: Scope, kind: Kind | None = None) -> Typed:
    """The resolved tree of an expression; `kind` is the type that is wanted, None for any. Raises ExpressionError."""
    found, mistakes = check(parse(text), scope)
    if kind and found.kind and found.kind is not kind:
        mistakes.append(Mistake(0, f"a {kind.value} is wanted here, this is a {found.kind.value}"))
    if mistakes:
        raise ExpressionError(mistakes)
    return found


def _expression(text: str, node: Node, row: Row) -> Expression:
    used = slots(node)
    for slot in used:
        row.places.setdefault(slot, len(row.places))
    return Expression(text, node, tuple(used), build(node, row.places))


def _add_histories(node: Node, names: Mapping[str, Name], row: Row) -> None:
    for part in parts(node):
        _add_histories(part, names, row)
    if not isinstance(node, Past) or node.slot in row.histories:
        return
    if len(row.histories) >= MAX_HISTORIES:
        raise ExpressionError([Mistake(0, f"the rule names more than {MAX_HISTORIES} functions of the past: split it")])
    arguments = tuple(_expression(text_of(argument), argument, row) for argument in node.arguments)
    # A waveform is taken when it is read, not when the speed beside it is: what else is named is as it is then.
    inputs = frozenset(named_in(node.arguments[0] if node.kind.each_sample else node, names))
    row.places.setdefault(node.slot, len(row.places))
    row.histories[node.slot] = HistorySpec(node.slot, node.kind, node.setting, arguments, inputs, node.where)


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
