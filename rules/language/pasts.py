"""Calls of histories, `mean(v - w, 5m)`: numeric expressions first, then literals for the parameters of the kind."""

from __future__ import annotations

import math
from typing import Final, Protocol

from rules.histories import HISTORIES, HistoryKind, Parameter, Setting
from rules.language import units
from rules.language.canonical import call_text, duration_text, number_text, text_of
from rules.language.functions import FUNCTIONS
from rules.language.mistake import Mistake
from rules.language.tree import Call, Duration, Literal, Named, Node, Past, Unary
from rules.language.typed import Scope, Typed, named_in, typed
from rules.language.types import BOOL, NUMBER, Kind
from rules.production.counter import CounterSpec

_OF_ONE_UNIT: Final = frozenset(
    {"cusum", "western_electric", "nelson"}
)  # x, target and sigma; others take what differs
_EXAMPLES: Final = {"duration": "a duration such as 5m", "number": "a number", "count": "a whole number"}


def signature(kind: HistoryKind) -> str:
    """How a history is called: `mean(x, window)`; what may be left out stands in square brackets."""
    least, most = kind.arguments
    words = ["x", "y", "z"][:least] if least <= 3 else ["x", "y", "z", "..."]
    if kind.name in _OF_ONE_UNIT:
        words = ["x", "target", "sigma"]
    elif kind.each_sample and least == 2:
        words = ["x", "f"]
    if most > least:
        words = [*words[: max(least, 1)], "..."]
    words += [each.name if each.default is None else f"[{each.name}]" for each in kind.parameters]
    return f"{kind.name}({', '.join(words)})"


class Checking(Protocol):
    """The check of an expression, of which a history is a part."""

    scope: Scope
    mistakes: list[Mistake]

    def visit(self, node: Node) -> Typed:
        """The tree under a node."""
        ...

    def want(self, found: Typed, kind: Kind, node: Node, where: str) -> Typed:
        """Tell of a part that is of another type."""
        ...

    def tell(self, node: Node, message: str) -> None:
        """Add a mistake at a node."""
        ...

    def in_unit_of(self, left: Typed, right: Typed, node: Node) -> Typed:
        """The right side in the unit of the left one."""
        ...


class Pasts:
    """The part of the checker that knows of histories."""

    def __init__(self, checker: Checking) -> None:
        self._checker = checker

    def is_meant(self, node: Call) -> bool:
        """Whether a call is of a history: min(x, y) is of this instant, min(x, 5m) of the past."""
        if node.function not in HISTORIES:
            return False
        return node.function not in FUNCTIONS or any(isinstance(argument, Duration) for argument in node.arguments)

    def known(self) -> list[str]:
        """The names of all histories."""
        return list(HISTORIES)

    def visit(self, node: Call) -> Typed:
        """The history that a call means."""
        kind, checker = HISTORIES[node.function], self._checker
        count = _arguments(kind, node)
        if count is None or len(node.arguments) - count > len(kind.parameters):
            checker.tell(node, f"wrong number of arguments: {signature(kind)}")
            return Typed(Literal(None, node.offset), BOOL if kind.is_boolean else NUMBER)
        written, before = node.arguments[:count], len(checker.mistakes)
        inner = [checker.want(checker.visit(each), NUMBER, each, f"in {kind.name}()") for each in written]
        parameters = self._parameters(kind, node, count)
        if kind.name in _OF_ONE_UNIT:
            inner = [inner[0], *(checker.in_unit_of(inner[0], each, node) for each in inner[1:])]
        if len(checker.mistakes) == before and not any(named_in(each.node, checker.scope.names) for each in inner):
            checker.tell(node, f"{kind.name}() is of the past of readings: name an input in it")
        arguments = tuple(each.node for each in inner)
        counter = self._counter(arguments)
        setting = Setting(parameters, len(arguments), counter)
        slot = call_text(kind.name, [*map(text_of, arguments), *_written(kind, parameters)], node.where)
        made = Past(slot, kind, setting, arguments, node.where, node.offset)
        return typed(made, BOOL if kind.is_boolean else NUMBER, _unit(kind, inner), *inner)

    def _parameters(self, kind: HistoryKind, node: Call, count: int) -> tuple[float, ...]:
        found: list[float] = []
        given = node.arguments[count:]
        for index, parameter in enumerate(kind.parameters):
            if index < len(given):
                found.append(self._parameter(kind, parameter, given[index]))
            elif parameter.default is None:
                self._checker.tell(node, f"{parameter.name} is missing: {signature(kind)}")
                return ()
            else:
                found.append(_whole(parameter, parameter.default))
        return tuple(found)

    def _parameter(self, kind: HistoryKind, parameter: Parameter, node: Node) -> float:
        value = _literal(node, is_duration=parameter.kind == "duration")
        if value is None or (parameter.kind == "count" and value != int(value)):
            self._checker.tell(node, f"{parameter.name} of {signature(kind)} must be {_EXAMPLES[parameter.kind]}")
            return parameter.minimum
        if not parameter.minimum <= value <= parameter.maximum:
            least, most = _shown(parameter, parameter.minimum), _shown(parameter, parameter.maximum)
            self._checker.tell(node, f"{parameter.name} of {kind.name}() must be from {least} to {most}")
        return _whole(parameter, value)

    def _counter(self, arguments: tuple[Node, ...]) -> CounterSpec | None:
        first = arguments[0] if arguments else None
        name = self._checker.scope.names.get(first.name) if isinstance(first, Named) else None
        return name.counter if name else None


def _arguments(kind: HistoryKind, node: Call) -> int | None:
    """How many of what is written are arguments: all up to the first literal; None where they are too few."""
    least, most = kind.arguments
    if len(node.arguments) < least:
        return None
    count = least
    while count < min(most, len(node.arguments)) and _literal(node.arguments[count]) is None:
        count += 1
    return count


def _literal(node: Node, *, is_duration: bool | None = None) -> float | None:
    match node:
        case Duration() if is_duration is not False:
            return node.us
        case Literal(value=float(value)) if not is_duration:
            return value
        case Unary(operator="-", operand=Literal(value=float(value))) if not is_duration:
            return -value
        case _:
            return None


def _whole(parameter: Parameter, value: float) -> float:
    return float(value) if parameter.kind == "number" else int(value)


def _shown(parameter: Parameter, value: float) -> str:
    return duration_text(value) if parameter.kind == "duration" else number_text(value)


def _written(kind: HistoryKind, parameters: tuple[float, ...]) -> list[str]:
    shown = [_shown(parameter, value) for parameter, value in zip(kind.parameters, parameters, strict=False)]
    while shown and math.isnan(parameters[len(shown) - 1]):  # nan is where there is none
        shown.pop()
    return shown


def _unit(kind: HistoryKind, inner: list[Typed]) -> str | None:
    unit = inner[0].unit if inner else None
    if kind.unit == "none" or kind.is_boolean or unit is None:
        return None
    return unit if kind.unit == "same" else units.quotient(unit, "s")
