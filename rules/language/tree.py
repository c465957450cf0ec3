"""The tree of an expression. Every node knows its offset in the text, for messages.

The parser makes the nodes down to `Call`; the checker turns them into a resolved tree, in which `let` names are replaced by what
they stand for, calls of histories are `Past`, comparisons of a quality are `QualityIs`, and units are converted by `Scaled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.model.production import MachineState
from rules.histories import HistoryKind, Setting


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true or false; None, which nobody can write, is unknown."""

    value: float | bool | str | None
    offset: int


@dataclass(frozen=True, slots=True)
class Duration:
    """`5m`, `1h30m`: a parameter of a history, and nothing to calculate with."""

    us: int
    offset: int


@dataclass(frozen=True, slots=True)
class Named:
    """A named input or fact."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `!x`."""

    operator: str
    operand: Node
    offset: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands; `offset` is the operator's."""

    operator: str
    left: Node
    right: Node
    offset: int


@dataclass(frozen=True, slots=True)
class Ternary:
    """`condition ? then : otherwise`; `offset` is the question mark's."""

    condition: Node
    then: Node
    otherwise: Node
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the tables and its arguments; `where` is the machine states in which a history is taken."""

    function: str
    arguments: tuple[Node, ...]
    offset: int
    where: frozenset[MachineState] = frozenset()


@dataclass(frozen=True, slots=True)
class Past:
    """A history of its arguments; `slot` is its canonical text, by which it is found in the row."""

    slot: str
    kind: HistoryKind = field(compare=False)
    setting: Setting
    arguments: tuple[Node, ...]
    where: frozenset[MachineState]
    offset: int


@dataclass(frozen=True, slots=True)
class QualityIs:
    """`quality(v) == good`: of an input; unknown where there is no value to have that quality, see rules.language.quality."""

    of: str
    slot: str
    word: str
    is_negated: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Scaled:
    """The operand in another unit: operand * factor + add."""

    operand: Node
    factor: float
    add: float
    offset: int


Node = Literal | Duration | Named | Unary | Binary | Ternary | Call | Past | QualityIs | Scaled


def parts(node: Node) -> tuple[Node, ...]:
    """What a node is made of."""
    match node:
        case Unary() | Scaled():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Ternary():
            return (node.condition, node.then, node.otherwise)
        case Call() | Past():
            return node.arguments
        case _:
            return ()
