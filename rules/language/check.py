"""Parsed tree -> resolved tree with type and unit: every mistake of an expression that parses, at once.

Units are UCUM codes. Two that differ are converted where that can be done (the right side into the unit of the left) and are a
mistake that names both where it cannot. A literal is in whatever unit it stands beside.
"""

from __future__ import annotations

from typing import Final

from rules.language import quality, units
from rules.language.closures import build
from rules.language.functions import FUNCTIONS, Function
from rules.language.mistake import ExpressionError, Mistake, suggestion
from rules.language.pasts import Pasts
from rules.language.tree import Binary, Call, Duration, Literal, Named, Node, QualityIs, Scaled, Ternary, Unary, parts
from rules.language.typed import BROKEN, MAX_DEPTH, MAX_SIZE, Scope, Typed, typed
from rules.language.types import BOOL, NUMBER, TEXT, Kind

_LOGIC: Final = frozenset({"&&", "||"})
_EQUALITY: Final = frozenset({"==", "!="})
_ORDER: Final = frozenset({"<", "<=", ">", ">="})


def check(node: Node, scope: Scope) -> tuple[Typed, list[Mistake]]:
    """A tree whose names mean what `scope` says, resolved, and every mistake in it."""
    checker = Checker(scope)
    return checker.visit(node), checker.mistakes


def resolve_node(node: Node, scope: Scope) -> Typed:
    """The resolved form of a parsed tree. Raises ExpressionError with every mistake."""
    found, mistakes = check(node, scope)
    if mistakes:
        raise ExpressionError(mistakes)
    return found


class Checker:
    """One expression; collects its `mistakes`."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.mistakes: list[Mistake] = []
        self._pasts = Pasts(self)

    def visit(self, node: Node) -> Typed:
        """The tree under a node. Raises ExpressionError where it grows beyond all bounds through the names in it."""
        found = self._visit(node)
        if found.size > MAX_SIZE or found.depth > MAX_DEPTH:
            raise ExpressionError(
                [Mistake(node.offset, f"more than {MAX_SIZE} parts with all that its names stand for")]
            )
        return found

    def want(self, found: Typed, kind: Kind, node: Node, where: str) -> Typed:
        """Tell of a part that is of another type than `kind`; it counts as one that is, so that it is told once."""
        if found.kind and found.kind is not kind:
            self.tell(node, f"a {kind.value} belongs {where}, this is a {found.kind.value}")
            return Typed(found.node, kind)
        return found

    def tell(self, node: Node, message: str) -> None:
        """Add a mistake at a node."""
        self.mistakes.append(Mistake(node.offset, message))

    def _visit(self, node: Node) -> Typed:  # noqa: PLR0911  # one case a kind of node
        match node:
            case Literal(value=bool()):
                return Typed(node, BOOL)
            case Literal(value=str()):
                return Typed(node, TEXT)
            case Literal():
                return Typed(node, NUMBER)
            case Duration():
                self.tell(node, "a duration is no value; it belongs at the end of a function of the past: mean(v, 5m)")
                return BROKEN
            case Named():
                return self._named(node)
            case Unary():
                wanted = BOOL if node.operator == "!" else NUMBER
                inner = self.want(self.visit(node.operand), wanted, node.operand, f"after `{node.operator}`")
                return folded(typed(Unary(node.operator, inner.node, node.offset), inner.kind, inner.unit, inner))
            case Binary():
                return self._binary(node)
            case Ternary():
                return self._ternary(node)
            case Call():
                return self._call(node)
            case _:
                raise AssertionError("the parser makes no such node")

    def _named(self, node: Named) -> Typed:
        if stands := self.scope.stands_for.get(node.name):
            return stands
        if name := self.scope.names.get(node.name):
            return Typed(node, name.kind, name.unit)
        self.tell(node, f"unknown name {node.name}{suggestion(node.name, self.scope.known())}")
        return BROKEN

    def _binary(self, node: Binary) -> Typed:
        if node.operator in _EQUALITY and (found := self._quality(node)):
            return found
        left, right = self.visit(node.left), self.visit(node.right)
        if node.operator in _EQUALITY:
            if left.kind and right.kind and left.kind is not right.kind:
                self.tell(node, f"a {left.kind.value} and a {right.kind.value} are never equal")
            self._words(left.node, right.node)
            self._words(right.node, left.node)
        else:
            wanted, side = BOOL if node.operator in _LOGIC else NUMBER, f"beside `{node.operator}`"
            left = self.want(left, wanted, node.left, side)
            right = self.want(right, wanted, node.right, side)
        unit: str | None = None
        if node.operator == "*":
            unit = units.product(left.unit, right.unit)
        elif node.operator == "/":
            unit = units.quotient(left.unit, right.unit)
        elif node.operator not in _LOGIC:
            right = self.in_unit_of(left, right, node)
            unit = left.unit if left.unit is not None else right.unit
        is_truth = node.operator in _LOGIC | _EQUALITY | _ORDER
        made = Binary(node.operator, left.node, right.node, node.offset)
        found = typed(made, BOOL if is_truth else NUMBER, None if is_truth else unit, left, right)
        return found if is_truth else folded(found)

    def _words(self, asked: Node, said: Node) -> None:
        """Tell of a word that a name can never be."""
        name = self.scope.names.get(asked.name) if isinstance(asked, Named) else None
        if (
            name
            and name.words
            and isinstance(said, Literal)
            and isinstance(said.value, str)
            and said.value not in name.words
        ):
            self.tell(said, f"{asked.name} is never {said.value!r:.60}{suggestion(said.value, name.words)}")  # type: ignore[union-attr]  # named

    def in_unit_of(self, left: Typed, right: Typed, node: Node) -> Typed:
        """The right side in the unit of the left one; told at `node` where that cannot be."""
        if left.unit is None or right.unit is None or left.unit == right.unit:
            return right
        found = units.between(right.unit, left.unit)
        if found is None:
            self.tell(node, f"unit mismatch: {left.unit} against {right.unit}")
            return right
        if found.offset and not isinstance(right.node, Named):
            self.tell(node, f"unit mismatch: {left.unit} against {right.unit}, whose zero is elsewhere: a reading alone could "
                      "be converted, not what is computed from it")  # fmt: skip
            return right
        if found == (1.0, 0.0):
            return right
        return typed(Scaled(right.node, found.factor, found.offset, node.offset), right.kind, left.unit, right)

    def _quality(self, node: Binary) -> Typed | None:
        """`quality(v) == good`, either way round; a bare `quality` is that of the only input."""
        for asked, word in ((node.left, node.right), (node.right, node.left)):
            if (name := self._whose_quality(asked)) is None:
                continue
            said = word.name if isinstance(word, Named) else word.value if isinstance(word, Literal) else None
            if said not in quality.WORDS:
                near = suggestion(str(said), quality.WORDS)
                self.tell(word, f"a quality is one of {', '.join(quality.WORDS)}{near if 'mean' in near else ''}")
                return Typed(BROKEN.node, BOOL)
            found = QualityIs(name, quality.quality_slot(name), str(said), node.operator == "!=", node.offset)
            return Typed(found, BOOL)
        return None

    def _whose_quality(self, node: Node) -> str | None:
        inputs = self.scope.inputs()
        match node:
            case Named(name=quality.QUALITY) if quality.QUALITY not in self.scope.known() and len(inputs) == 1:
                return inputs[0]
            case Call(function=quality.QUALITY, arguments=(Named(name=name),)) if name in inputs:
                return name
            case _:
                return None

    def _ternary(self, node: Ternary) -> Typed:
        condition = self.want(self.visit(node.condition), BOOL, node.condition, "before `?`")
        then, otherwise = self.visit(node.then), self.visit(node.otherwise)
        if then.kind and otherwise.kind and then.kind is not otherwise.kind:
            self.tell(node, f"one side of `:` is a {then.kind.value}, the other a {otherwise.kind.value}")
            return BROKEN
        otherwise = self.in_unit_of(then, otherwise, node)
        made = Ternary(condition.node, then.node, otherwise.node, node.offset)
        unit = then.unit if then.unit is not None else otherwise.unit
        return typed(made, then.kind and otherwise.kind, unit, condition, then, otherwise)

    def _call(self, node: Call) -> Typed:
        if self._pasts.is_meant(node):
            return self._pasts.visit(node)
        if function := FUNCTIONS.get(node.function):
            return self._plain(node, function)
        if node.function == quality.QUALITY:
            self.tell(node, f"is compared with a word: quality({next(iter(self.scope.inputs()), 'v')}) == good")
        else:
            known = [*FUNCTIONS, *self._pasts.known(), quality.QUALITY]
            self.tell(node, f"unknown function {node.function}{suggestion(node.function, known)}")
        return BROKEN

    def _plain(self, node: Call, function: Function) -> Typed:
        if not function.minimum <= len(node.arguments) <= function.maximum:
            self.tell(node, f"wrong number of arguments: {function.signature}")
            return Typed(BROKEN.node, NUMBER)
        where = f"in {function.name}()"
        inner = [self.want(self.visit(argument), NUMBER, argument, where) for argument in node.arguments]
        first = next((part for part in inner if part.unit is not None), inner[0])
        inner = [self.in_unit_of(first, part, node) for part in inner]
        made = Call(node.function, tuple(part.node for part in inner), node.offset)
        return folded(typed(made, NUMBER, first.unit if function.keeps_unit else None, *inner))


def folded(found: Typed) -> Typed:
    """A number that can be computed once and for all: `-5`, `2 * 60`, `bpfo(9, 7.94, 39.04, 0)`."""
    if found.kind is not NUMBER or not all(_is_number(part) for part in parts(found.node)):
        return found
    value = build(found.node, {})(())
    return found if value is None else Typed(Literal(float(value), found.node.offset), NUMBER)


def _is_number(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, float)
