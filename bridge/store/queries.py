"""Named queries from sql/queries/<noun>.sql. A query begins at a line `-- name: its_name` and goes to the next.

They are bytes, which psycopg takes as trusted text: no query is ever put together from strings.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)
# Beside the packages, in a checkout and in an installation. Not files("sql"): another distribution (python-sql, of Tryton) has a
# package of that name, and which of the two is found depends on who started Python.
FOLDER: Final = files("bridge").joinpath("..", "sql")


class Queries:
    """The queries of one noun, by attribute."""

    def __init__(self, noun: str, texts: dict[str, bytes]) -> None:
        self._noun = noun
        self._texts = texts

    def __getattr__(self, name: str) -> bytes:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"sql/queries/{self._noun}.sql has no query named {name}") from None

    def names(self) -> list[str]:
        """The names, in the order of the file."""
        return list(self._texts)


@cache
def load(noun: str) -> Queries:
    """Read sql/queries/<noun>.sql. Raises FileNotFoundError where there is none."""
    text = FOLDER.joinpath("queries", f"{noun}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return Queries(noun, {name: body.strip().encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)})
