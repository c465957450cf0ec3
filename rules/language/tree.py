"""The tree of an expression. Every node knows its offset in the text, for messages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true or false."""

    value: float | bool | str
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
    """A function of the table and its arguments."""

    function: str
    arguments: tuple[Node, ...]
    offset: int


Node = Literal | Named | Unary | Binary | Ternary | Call
