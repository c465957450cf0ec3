"""Reading YAML with places: a mapping whose every value is taken once, converted, and whose leftovers are mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import yaml

from bridge.errors import Problem
from rules.language.mistake import ExpressionError, suggestion

T = TypeVar("T")
_LOADER: Final = yaml.SafeLoader


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the file with its dotted field; None where a value is missing."""

    node: yaml.Node
    field: str


class Reader:
    """One file: collects its mistakes in `problems`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def root(self, text: str) -> Item | None:
        """The file's whole content; None after telling why it is not YAML."""
        try:
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            self.problems.append(Problem(self.file, line, column, "", f"not YAML: {error.problem}"))
            return None
        except (yaml.YAMLError, RecursionError) as error:
            self.problems.append(Problem(self.file, 0, 0, "", f"not YAML: {error}"))
            return None
        if node is None:
            self.problems.append(Problem(self.file, 1, 1, "", "the file is empty"))
            return None
        return Item(node, "")

    def tell(self, item: Item, message: str, offset: int = 0) -> None:
        """Add a mistake at an item; `offset` counts characters into a scalar of one line."""
        mark = item.node.start_mark
        quoted = isinstance(item.node, yaml.ScalarNode) and item.node.style in ("'", '"')
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1 + quoted + offset, item.field, message))

    def section(self, item: Item) -> Section:
        """The item as a mapping; an empty one after telling that it is none."""
        if isinstance(item.node, yaml.MappingNode):
            return Section(self, item, item.node)
        self.tell(item, "must be a mapping of names to values")
        return Section(self, item, yaml.MappingNode("tag:yaml.org,2002:map", [], item.node.start_mark))

    def sequence(self, item: Item) -> Iterator[Item]:
        """The elements of a list; none after telling that it is no list."""
        if not isinstance(item.node, yaml.SequenceNode):
            self.tell(item, "must be a list")
            return
        for index, node in enumerate(item.node.value):
            yield Item(node, f"{item.field}[{index}]")

    def scalar(self, item: Item) -> Any:
        """The plain value: text, number, truth value or None."""
        if not isinstance(item.node, yaml.ScalarNode):
            raise ValueError("must be a single value")  # noqa: TRY004  # a mistake of the file, not of the program
        return _construct(item.node)

    def plain(self, item: Item) -> Any:
        """The item as plain data, for the rule's canonical body. Keys are text as written: YAML reads `on` as true."""
        return _plain(item.node)

    def convert(self, item: Item, convert: Callable[[Any], T]) -> T | None:
        """The converted scalar; None after telling why it cannot be."""
        try:
            return convert(self.scalar(item))
        except ExpressionError as error:
            for mistake in error.mistakes:
                self.tell(item, mistake.message, mistake.offset)
        except ValueError as error:
            self.tell(item, str(error))
        return None


class Section:
    """A mapping of the file. `take` what is known, then `close`: the rest is a mistake."""

    def __init__(self, reader: Reader, item: Item, node: yaml.MappingNode) -> None:
        self.reader = reader
        self.item = item
        self._left: dict[str, Item] = {}
        self._keys: dict[str, Item] = {}
        self._known: set[str] = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            child = Item(value, f"{item.field}.{name}" if item.field else name)
            if name in self._left:
                reader.tell(Item(key, child.field), "is given twice")
            self._left[name] = child
            self._keys[name] = Item(key, child.field)

    def has(self, name: str) -> bool:
        """Whether a key is there and not taken yet."""
        return name in self._left

    def keys(self) -> list[str]:
        """The keys that are not taken yet, in the order of the file."""
        return list(self._left)

    def item_of(self, name: str) -> Item | None:
        """Take a value as it is."""
        self._known.add(name)
        return self._left.pop(name, None)

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

    def close(self, later: frozenset[str] = frozenset()) -> None:
        """Tell of every key that nobody took; `later` are keys of the language that this version does not run."""
        for name in self._left:
            item = self._keys[name]
            if name in later:
                self.reader.tell(item, f"{name} is not supported by this version")
            else:
                self.reader.tell(item, f"is not a known field{suggestion(name, self._known)}")


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value


def count(value: Any) -> int:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number from 1")
    return value


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  # a mistake of the file, not of the program
    return value


def one_of(known: Callable[[str], T], names: list[str]) -> Callable[[Any], T]:
    """A converter for one of a few words."""

    def convert(value: Any) -> T:
        if value not in names:
            raise ValueError(f"unknown {value!r}{suggestion(str(value), names)}")
        return known(value)

    return convert


def _plain(node: yaml.Node) -> Any:
    match node:
        case yaml.MappingNode():
            return {str(key.value): _plain(value) for key, value in node.value}
        case yaml.SequenceNode():
            return [_plain(value) for value in node.value]
        case _:
            return _construct(node)


def _construct(node: yaml.Node) -> Any:
    loader = _LOADER("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"cannot be read: {getattr(error, 'problem', error)}") from error
    finally:
        loader.dispose()
