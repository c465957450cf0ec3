"""YAML text -> nodes that know where they stand. What a file may be is bounded, whoever wrote it.

Only what a rule file needs is read: mappings, lists and single values by the core schema of YAML 1.2 (so that `on` and `yes` are
words). Aliases and anchors, tags of one's own, several documents and merge keys are refused: they make a file's size say nothing of
its content. libyaml scans the text, so that the work is in proportion to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 16_000_000
MAX_DEPTH: Final = 24
MAX_NODES: Final = 2_000_000
MAX_SCALAR: Final = 10_000  # characters of one value

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?")
_NUMERIC: Final = frozenset("0123456789+-.")  # what a number may begin with
_WORDS: Final = {"": None, "~": None, "null": None, "Null": None, "NULL": None,
                 "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}  # fmt: skip
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


_PLAIN_ONLY: Final = (
    ": rule files have no anchors, aliases and tags; a text that begins with &, * or ! stands in quotes"
)
_HINTS: Final = {
    "mapping values are not allowed": "; a text with `: ` in it stands in quotes",
    "cannot start any token": "; indent with blanks, not with tabs; a text that begins with ! & * > | @ % or ` stands in quotes",
    "did not find expected": "; is a bracket, a comma or a quote missing here or before? An expression stands in quotes",
    "unexpected end of stream": "; a quote is not closed",
}


class DocumentError(ValueError):
    """A text that is no YAML, or more than is read; line and column from 1, 0 where they are not known."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        self.line, self.column = line, column
        super().__init__(message)


@dataclass(slots=True)
class Scalar:
    """A single value as written; `is_plain` where it stands without quotes. Lines and columns count from 1."""

    line: int
    column: int
    value: str
    is_plain: bool

    def read(self) -> Any:
        """The value by the core schema: None, truth value, int, float or text."""
        value = self.value
        if not self.is_plain:
            return value
        if value in _WORDS:
            return _WORDS[value]
        if value[0] not in _NUMERIC:
            return value
        if _INTEGER.fullmatch(value):
            whole = int(value)
            return whole if -(2**63) <= whole < 2**63 else float(whole)
        return float(value) if _FLOAT.fullmatch(value) else value


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    column: int
    value: list[Node]
    start: int = 0  # characters of the text before it, and before what follows it
    end: int = 0


@dataclass(slots=True)
class Mapping:
    """Names and their values, as often and in the order as they are written."""

    line: int
    column: int
    value: list[tuple[Node, Node]]
    start: int = 0
    end: int = 0


Node = Scalar | Sequence | Mapping


def compose(text: str) -> Node | None:
    """The node of a document; None of an empty one. Raises DocumentError."""
    if len(text) > MAX_CHARACTERS:
        raise DocumentError(f"the file has more than {MAX_CHARACTERS} characters: split it")
    if found := _UNREADABLE.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise DocumentError(f"the character {found[0]!r} does not belong in a text file", line, column)
    try:
        return _Composer(_LOADER(text)).compose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        hint = next((hint for words, hint in _HINTS.items() if words in (error.problem or "")), "")
        raise DocumentError(f"not YAML: {error.problem}{hint}", line, column) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML: {error}") from error


class _Composer:
    """Events -> nodes, with a stack of its own: neither depth nor size of a text can exhaust the interpreter's."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._root: Node | None = None
        self._open: list[Sequence | Mapping] = []
        self._keys: list[
            Node | None
        ] = []  # of the mappings around the innermost open node, a key that waits for its value
        self._key: Node | None = None
        self._nodes = 0

    def compose(self) -> Node | None:
        loader = self._loader
        steps = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
        }
        try:
            while loader.check_event():
                event = loader.get_event()
                if step := steps.get(type(event)):
                    step(event)
        finally:
            loader.dispose()
        return self._root

    def _scalar(self, event: Any) -> None:
        value, mark = event.value, event.start_mark
        if event.anchor is not None or event.tag is not None or len(value) > MAX_SCALAR or not value.isprintable():
            self._check(event)
        self._put(Scalar(mark.line + 1, mark.column + 1, value, not event.style))

    def _begin(self, event: Any) -> None:
        mark = event.start_mark
        self._check(event)
        if len(self._open) >= MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH}", mark.line + 1, mark.column + 1)
        make = Sequence if type(event) is yaml.SequenceStartEvent else Mapping
        node = make(mark.line + 1, mark.column + 1, [], mark.index)
        self._put(node)
        self._keys.append(self._key)
        self._key = None
        self._open.append(node)

    def _end(self, event: Any) -> None:
        self._open.pop().end = event.end_mark.index
        self._key = self._keys.pop()

    def _alias(self, event: Any) -> None:
        mark = event.start_mark
        raise DocumentError(f"*{event.anchor} is not read here{_PLAIN_ONLY}", mark.line + 1, mark.column + 1)

    def _put(self, node: Node) -> None:
        """A key waits for its value; everything else belongs into the node that is open."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values: split the file", node.line, node.column)
        if not self._open:
            self._root = _only(self._root, node)
            return
        around = self._open[-1]
        if type(around) is Sequence:
            around.value.append(node)
        elif self._key is None:
            self._key = node
        else:
            around.value.append((self._key, node))  # type: ignore[arg-type]  # a mapping, as it is no list
            self._key = None

    def _check(self, event: Any) -> None:
        mark = event.start_mark
        if event.anchor is not None or event.tag not in (None, "!"):
            what = "&" + event.anchor if event.anchor is not None else event.tag
            raise DocumentError(f"{what} is not read here{_PLAIN_ONLY}", mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise DocumentError(f"a value of more than {MAX_SCALAR} characters", mark.line + 1, mark.column + 1)
        if isinstance(event, yaml.ScalarEvent) and (found := _UNREADABLE.search(event.value)):
            raise DocumentError(f"the character {found[0]!r} does not belong in a text", mark.line + 1, mark.column + 1)


def _only(root: Node | None, node: Node) -> Node:
    if root is not None:
        raise DocumentError("a second document: one a file", node.line, node.column)
    return node
