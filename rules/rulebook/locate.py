"""Where a field of a rule stands in its file, found when there is something to say of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rules.nodes import DocumentError, Mapping, Node, Scalar, Sequence, compose
from rules.rulebook.model import Rule


class Places:
    """The files that have been read again for their places."""

    def __init__(self) -> None:
        self._rules = lru_cache(maxsize=64)(_rules)

    def of(self, rule: Rule, *path: str, value: str | None = None) -> tuple[int, int]:
        """Line and column of a field, e.g. ("inputs", "v", "tag"); of the first `value` under it where one is given.

        As far as the path leads: to the rule at least, and its line alone where the file is no longer what it was.
        """
        node = self._rules(rule.file).get(rule.line)
        if node is None:
            return rule.line, 0
        for name in path:
            inner = _field(node, name)
            if inner is None:
                break
            node = inner
        found = node if value is None else _first(node, value) or node
        quoted = isinstance(found, Scalar) and not found.is_plain
        return found.line, found.column + quoted


def _rules(file: str) -> dict[int, Node]:
    try:
        root = compose(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, DocumentError):
        return {}
    rules = _field(root, "rules") if root else None
    return {node.line: node for node in rules.value} if isinstance(rules, Sequence) else {}


def _field(node: Node, name: str) -> Node | None:
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.value if isinstance(key, Scalar) and key.value == name), None)


def _first(node: Node, value: str) -> Scalar | None:
    if isinstance(node, Scalar):
        return node if node.value == value else None
    inner = [part for _, part in node.value] if isinstance(node, Mapping) else node.value
    return next((found for part in inner if (found := _first(part, value))), None)
