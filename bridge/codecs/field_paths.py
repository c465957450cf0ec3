"""Following a path into a tree, and lifting what stands there to the tree's top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.config.field_path import Steps


class _Missing:
    """Nothing stands at the path; null is something."""


MISSING: Final = _Missing()


def pick(tree: Any, steps: Steps) -> Any:
    """What stands at the path, or MISSING."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(tree, list) or step >= len(tree):
                return MISSING
            tree = tree[step]
        elif isinstance(tree, dict) and step in tree:
            tree = tree[step]
        else:
            return MISSING
    return tree


def lifted(element: dict[str, Any], paths: Mapping[str, Steps]) -> dict[str, Any]:
    """A copy in which what stands at each path stands at the top, under the path's text."""
    for name, steps in paths.items():
        if name not in element and (found := pick(element, steps)) is not MISSING:
            element = {**_without(element, steps), name: found}
    return element


def _without(tree: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """A copy without what stands at the path, nor an object that is empty then; arrays stay as they are."""
    step, rest = steps[0], steps[1:]
    if not isinstance(step, str):
        return tree
    inner = tree[step]
    kept = {name: value for name, value in tree.items() if name != step}
    if not rest:
        return kept
    if not isinstance(inner, dict):
        return tree
    inner = _without(inner, rest)
    return {**kept, step: inner} if inner else kept
