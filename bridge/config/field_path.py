"""Paths into a payload as people write them: `value`, `data.value`, `samples[0].t`."""

from __future__ import annotations

import re
from typing import Final

Steps = tuple[str | int, ...]
"""Names of objects' fields and places in arrays, from 0, outermost first."""

_STEP: Final = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(\d{1,6})\]")


def parse_path(path: str) -> Steps:
    """The steps of a path. Raises ValueError with a sentence for people."""
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise ValueError(f"{path!r} is no path; write names with dots and [n], e.g. data.samples[0].value")
        steps.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    if not steps:
        raise ValueError("a path is empty; write the name of a field, or a path such as data.value")
    return tuple(steps)


def is_name(path: str) -> bool:
    """Whether the path is a field of the object itself."""
    return "." not in path and "[" not in path
