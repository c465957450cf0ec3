"""Reading a rule file with places: a mapping whose every value is taken once, converted, and whose leftovers are mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bridge.errors import Problem
from rules.language.mistake import ExpressionError, suggestion
from rules.nodes import DocumentError, Mapping, Node, Scalar, compose
from rules.nodes import Sequence as ListNode

T = TypeVar("T")
MAX_PROBLEMS: Final = 1000  # of one file
_MAX_FIELD: Final = 200  # characters
_MAX_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the file with its dotted field."""

    node: Node
    field: str


class Reader:
    """One file: collects its mistakes in `problems`. `taken`, where it is a mapping, notes which fields each section knows."""

    def __init__(self, file: str, taken: dict[str, set[str]] | None = None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.taken = taken

    def root(self, text: str) -> Item | None:
        """The file's whole content; None after telling why it cannot be read."""
        try:
            node = compose(text)
        except DocumentError as error:
            self.problems.append(Problem(self.file, error.line, error.column, "", str(error)))
            return None
        if node is None:
            self.problems.append(Problem(self.file, 1, 1, "", "the file is empty"))
            return None
        return Item(node, "")

    def tell(self, item: Item, message: str, offset: int = 0) -> None:
        """Add a mistake at an item; `offset` counts characters into a value of one line."""
        node = item.node
        quoted = isinstance(node, Scalar) and not node.is_plain
        field, message = item.field[:_MAX_FIELD], message[:_MAX_MESSAGE]
        self.problems.append(Problem(self.file, node.line, node.column + quoted + offset, field, message))
        if len(self.problems) > MAX_PROBLEMS:
            raise TooManyProblems

    def section(self, item: Item) -> Section:
        """The item as a mapping; an empty one after telling that it is none."""
        if isinstance(item.node, Mapping):
            return Section(self, item, item.node)
        self.tell(item, "must be a mapping of names to values")
        return Section(self, item, Mapping(item.node.line, item.node.column, []))

    def sequence(self, item: Item) -> Iterator[Item]:
        """The elements of a list; none after telling that it is no list."""
        if not isinstance(item.node, ListNode):
            self.tell(item, "must be a list")
            return
        for index, node in enumerate(item.node.value):
            yield Item(node, f"{item.field}[{index}]")

    def scalar(self, item: Item) -> Any:
        """The single value: text, number, truth value or None."""
        if not isinstance(item.node, Scalar):
            raise ValueError("must be a single value")  # noqa: TRY004  # a mistake of the file, not of the program
        return item.node.read()

    def plain(self, item: Item) -> Any:
        """The item as plain data, for the rule's canonical body."""
        return _plain(item.node)

    def convert(self, item: Item, convert: Callable[[Any], T]) -> T | None:
        """The converted single value; None after telling why it cannot be."""
        try:
            return convert(self.scalar(item))
        except ExpressionError as error:
            for mistake in error.mistakes:
                self.tell(item, mistake.message, mistake.offset)
        except ValueError as error:
            self.tell(item, str(error))
        return None

    def words(self, item: Item | None, convert: Callable[[Any], T]) -> list[T]:
        """A list of single values, or one that stands alone."""
        if item is None:
            return []
        parts = [item] if isinstance(item.node, Scalar) else list(self.sequence(item))
        return [found for part in parts if (found := self.convert(part, convert)) is not None]


class TooManyProblems(Exception):  # what happened
    """A file has so many mistakes that no more are looked for."""


class Section:
    """A mapping of the file. `take` what is known, then `close`: the rest is a mistake."""

    __slots__ = ("_keys", "_known", "_left", "item", "reader")

    def __init__(self, reader: Reader, item: Item, node: Mapping) -> None:
        self.reader = reader
        self.item = item
        self._left: dict[str, Item] = {}
        self._keys: dict[str, Node] = {}
        self._known: list[str] = []
        prefix = f"{item.field}." if item.field else ""
        for key, value in node.value:
            name = key.value if isinstance(key, Scalar) else "?"
            if name in self._left:
                reader.tell(Item(key, prefix + name), "is given twice")
            self._left[name] = Item(value, prefix + name)
            self._keys[name] = key

    def has(self, name: str) -> bool:
        """Whether a key is there and not taken yet."""
        return name in self._left

    def keys(self) -> list[str]:
        """The keys that are not taken yet, in the order of the file."""
        return list(self._left)

    def item_of(self, name: str) -> Item | None:
        """Take a value as it is."""
        self._known.append(name)
        return self._left.pop(name, None)

    def peek(self, name: str) -> Item | None:
        """A value that is not taken yet, without taking it."""
        return self._left.get(name)

    def take(self, name: str, convert: Callable[[Any], T], default: T) -> T:
        """Take a value, or the default where there is none or it is wrong."""
        item = self.item_of(name)
        found = self.reader.convert(item, convert) if item else None
        return default if found is None else found

    def need(self, name: str, convert: Callable[[Any], T], why: str = "") -> T | None:
        """Take a value that must be there."""
        item = self.item_of(name)
        if item is None:
            self.reader.tell(self.item, f"{name} is missing{why}")
            return None
        return self.reader.convert(item, convert)

    def close(self) -> None:
        """Tell of every key that nobody took."""
        for name, item in self._left.items():
            message = f"is not a known field{suggestion(name, self._known)}"
            self.reader.tell(Item(self._keys[name], item.field), message)
        if self.reader.taken is not None:
            self.reader.taken.setdefault(self.item.field, set()).update(self._known)


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value


def count(value: Any) -> int:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**53:
        raise ValueError("must be a whole number from 1")
    return value


def number(value: Any) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e150:
        raise ValueError("must be a number")
    return float(value)


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  # a mistake of the file, not of the program
    return value


def one_of(known: Callable[[str], T], names: Sequence[str]) -> Callable[[Any], T]:
    """A converter for one of a few words."""

    def convert(value: Any) -> T:
        if value not in names:
            raise ValueError(f"unknown {value!r:.60}{suggestion(str(value), names)}")
        return known(value)

    return convert


def _plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.read()
    if isinstance(node, Mapping):
        return {key.value if isinstance(key, Scalar) else "?": _plain(value) for key, value in node.value}
    return [_plain(value) for value in node.value]
