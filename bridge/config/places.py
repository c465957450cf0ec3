"""Where in a TOML file each value stands, so that a mistake can be shown with its line.

The standard library's parser keeps no places, and what is needed here is small: which line a key, a table or an element of
an array begins on. The scan trusts that the text parses; a place that it cannot find falls back to the nearest table.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]

_HEADER: Final = re.compile(r"^\s*(\[\[|\[)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_STRING_OR_COMMENT: Final = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'[^']*'|#.*$")


def places(text: str) -> dict[Path, int]:
    """The line, from 1, of each key path that begins a line in the TOML text."""
    found: dict[Path, int] = {(): 1}
    table: Path = ()
    counts: dict[Path, int] = {}
    array: Path = ()
    depth, element = 0, -1
    for number, line in enumerate(text.splitlines(), start=1):
        bare = _STRING_OR_COMMENT.sub("", line)
        if depth == 0:
            if header := _HEADER.match(line):
                table = _enter(header[1] == "[[", _names(header[2]), counts)
                found.setdefault(table, number)
                if table and table[-1] == 0:  # the array itself begins with its first element
                    found.setdefault(table[:-1], number)
                continue
            if not (key := _KEY.match(line)):
                continue
            array, element = (*table, *_names(key[1])), -1
            found.setdefault(array, number)
        elif depth == 1 and bare.strip() and bare.strip()[0] not in "],":
            element += 1
            found.setdefault((*array, element), number)
        depth += sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")
    return found


def line_of(found: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest thing around it that has one."""
    while path not in found:
        path = path[:-1]
    return found[path]


def dotted(path: Path) -> str:
    """A path as people write it: `connector[0].items.HSG-L1`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _enter(is_array: bool, names: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """The path of a table header: names with the index of the newest element of each array of tables on the way."""
    path: Path = ()
    for depth, name in enumerate(names):
        path = (*path, name)
        if depth == len(names) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
