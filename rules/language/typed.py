"""What the checker knows of a part of an expression, and the names that an expression may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rules.language.tree import Literal, Named, Node, QualityIs, parts
from rules.language.types import Kind, Name

MAX_SIZE: Final = 1000  # parts of an expression after `let` and baseline names are replaced by what they stand for
MAX_DEPTH: Final = 100


@dataclass(frozen=True, slots=True)
class Typed:
    """A resolved tree with its type and unit; `kind` is None after a mistake, so that one mistake is told once."""

    node: Node
    kind: Kind | None
    unit: str | None = None
    size: int = 1
    depth: int = 1


BROKEN: Final = Typed(Literal(None, 0), None)


@dataclass(slots=True)
class Scope:
    """Inputs and facts by their names, and the names that stand for expressions (`let`, `baseline.mean`)."""

    names: Mapping[str, Name]
    stands_for: dict[str, Typed] = field(default_factory=dict)

    def known(self) -> list[str]:
        """Every name, for suggestions."""
        return [*self.names, *self.stands_for]

    def inputs(self) -> list[str]:
        """The names of inputs."""
        return [name for name, meant in self.names.items() if meant.is_input]


def typed(node: Node, kind: Kind | None, unit: str | None, *inner: Typed) -> Typed:
    """A node made of parts that are typed already."""
    return Typed(
        node, kind, unit, 1 + sum(part.size for part in inner), 1 + max((part.depth for part in inner), default=0)
    )


def named_in(node: Node, known: Mapping[str, Name]) -> set[str]:
    """The inputs that a resolved tree reads, directly or through histories."""
    found: set[str] = set()
    for part in walk(node):
        if isinstance(part, Named | QualityIs):
            name = part.name if isinstance(part, Named) else part.of
            if name in known and known[name].is_input:
                found.add(name)
    return found


def walk(node: Node) -> list[Node]:
    """A tree's nodes, the outer ones first."""
    found, waiting = [], [node]
    while waiting:
        found.append(part := waiting.pop())
        waiting.extend(parts(part))
    return found
