"""Types and units of a tree: every mistake of an expression that parses, at once.

Units are compared as written (UCUM codes). A literal fits any unit; a product or a quotient of two units is not computed and
fits any unit as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rules.language.functions import FUNCTIONS, Function
from rules.language.mistake import Mistake, suggestion
from rules.language.tree import Binary, Call, Literal, Named, Node, Ternary, Unary
from rules.language.types import BOOL, NUMBER, TEXT, Kind, Name

_LOGIC: Final = frozenset({"&&", "||"})
_EQUALITY: Final = frozenset({"==", "!="})
_ORDER: Final = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class _Typed:
    kind: Kind | None  # None after a mistake, so that one mistake is told once
    unit: str | None = None


_BROKEN: Final = _Typed(None)


def check(node: Node, names: Mapping[str, Name]) -> tuple[Kind | None, list[Mistake]]:
    """The type of a tree whose names mean `names`, and every mistake in it."""
    checker = _Checker(names)
    return checker.visit(node).kind, checker.mistakes


class _Checker:
    def __init__(self, names: Mapping[str, Name]) -> None:
        self._names = names
        self.mistakes: list[Mistake] = []

    def visit(self, node: Node) -> _Typed:  # noqa: PLR0911  # one case a kind of node
        match node:
            case Literal(value=bool()):
                return _Typed(BOOL)
            case Literal(value=str()):
                return _Typed(TEXT)
            case Literal():
                return _Typed(NUMBER)
            case Named():
                return self._named(node)
            case Unary():
                wanted = BOOL if node.operator == "!" else NUMBER
                return self._want(self.visit(node.operand), wanted, node.operand, f"after `{node.operator}`")
            case Binary():
                return self._binary(node)
            case Ternary():
                return self._ternary(node)
            case Call():
                return self._call(node)

    def _named(self, node: Named) -> _Typed:
        name = self._names.get(node.name)
        if name is None:
            self._tell(node, f"unknown name {node.name}{suggestion(node.name, self._names)}")
            return _BROKEN
        return _Typed(name.kind, name.unit)

    def _binary(self, node: Binary) -> _Typed:
        left, right = self.visit(node.left), self.visit(node.right)
        side = f"beside `{node.operator}`"
        if node.operator in _LOGIC:
            self._want(left, BOOL, node.left, side)
            self._want(right, BOOL, node.right, side)
            return _Typed(BOOL)
        if node.operator in _EQUALITY:
            if left.kind and right.kind and left.kind is not right.kind:
                self._tell(node, f"a {left.kind.value} and a {right.kind.value} are never equal")
            self._same_unit(node, left, right)
            return _Typed(BOOL)
        self._want(left, NUMBER, node.left, side)
        self._want(right, NUMBER, node.right, side)
        if node.operator in _ORDER:
            self._same_unit(node, left, right)
            return _Typed(BOOL)
        return _Typed(NUMBER, self._unit_of(node, left, right))

    def _unit_of(self, node: Binary, left: _Typed, right: _Typed) -> str | None:
        if node.operator in "+-%":
            self._same_unit(node, left, right)
            return left.unit if left.unit is not None else right.unit
        if right.unit is None:  # v * 2, v / 2
            return left.unit
        return right.unit if node.operator == "*" and left.unit is None else None

    def _ternary(self, node: Ternary) -> _Typed:
        self._want(self.visit(node.condition), BOOL, node.condition, "before `?`")
        then, otherwise = self.visit(node.then), self.visit(node.otherwise)
        if then.kind and otherwise.kind and then.kind is not otherwise.kind:
            self._tell(node, f"one side of `:` is a {then.kind.value}, the other a {otherwise.kind.value}")
            return _BROKEN
        self._same_unit(node, then, otherwise)
        return then if then.unit is not None else otherwise

    def _call(self, node: Call) -> _Typed:
        function = FUNCTIONS.get(node.function)
        if function is None:
            self._tell(node, f"unknown function {node.function}{suggestion(node.function, FUNCTIONS)}")
            return _BROKEN
        if not function.minimum <= len(node.arguments) <= function.maximum:
            self._tell(node, f"wrong number of arguments: {function.says}")
            return _Typed(NUMBER)
        return self._derived(node) if function.is_derived else self._plain(node, function)

    def _plain(self, node: Call, function: Function) -> _Typed:
        arguments = [self.visit(argument) for argument in node.arguments]
        for argument, typed in zip(node.arguments, arguments, strict=True):
            self._want(typed, NUMBER, argument, f"in {function.name}()")
        units = {typed.unit for typed in arguments if typed.unit is not None}
        if len(units) > 1:
            self._tell(node, f"unit mismatch: {' against '.join(sorted(units))}")
        return _Typed(NUMBER, min(units, default=None))

    def _derived(self, node: Call) -> _Typed:
        argument = node.arguments[0]
        if not isinstance(argument, Named):
            self._tell(argument, f"{node.function}() is of an input's history: name one input")
            return _Typed(NUMBER)
        typed = self.visit(argument)
        if typed.kind and not self._names[argument.name].is_input:
            self._tell(argument, f"{node.function}() is of an input's history, and {argument.name} is no input")
        return _Typed(NUMBER, self._want(typed, NUMBER, argument, f"in {node.function}()").unit)

    def _want(self, typed: _Typed, kind: Kind, node: Node, where: str) -> _Typed:
        if typed.kind and typed.kind is not kind:
            self._tell(node, f"a {kind.value} belongs {where}, this is a {typed.kind.value}")
            return _Typed(kind)
        return typed

    def _same_unit(self, node: Node, left: _Typed, right: _Typed) -> None:
        if left.unit is not None and right.unit is not None and left.unit != right.unit:
            self._tell(node, f"unit mismatch: {left.unit or 'no unit'} against {right.unit or 'no unit'}")

    def _tell(self, node: Node, message: str) -> None:
        self.mistakes.append(Mistake(node.offset, message))
