"""Reading the configuration file: every mistake at once, each with its line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from bridge.config import places, wording
from bridge.config.settings import Settings
from bridge.config.settings.connection import HttpConnectorTable
from bridge.errors import ConfigError, Problem

_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")
# What pydantic puts behind a place in a list, or behind `auth`, for the member of a union; it stands in no file.
_UNION_TAGS: Final = frozenset(
    {"mqtt", "opcua", "apprise", "tag_write"}
    | {"odoo19", "tryton82", "sap_s4", "business_central", "erpnext", "webhook", "declarative"}
    | {"none", "api_key", "basic", "oauth2"}
)


def load_settings(file: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a configuration file; paths in it are relative to its folder.

    Raises ConfigError with every mistake, in the order of their lines.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else str(error)
        if isinstance(error, FileNotFoundError):
            reason += (
                "; name yours (amor COMMAND --help says how), or copy simulators/demo/amor.toml, the documented example"
            )
        raise ConfigError([Problem(str(file), 0, 0, "", f"cannot be read: {reason}")]) from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(file, text, str(error))]) from error
    found = places.places(text)
    problems: list[Problem] = []
    resolved = _References(file, environment, found, problems).resolve(tables)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(resolved)
    except ValidationError as error:
        problems += _validation_problems(file, found, error, {p.field for p in problems})
    if problems or settings is None:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return _with_absolute_files(settings, file.parent)


def _with_absolute_files(settings: Settings, folder: Path) -> Settings:
    files = [str((folder / name).resolve()) for name in settings.rules.files]
    connectors = [
        table.placed(folder, settings.plant.time_zone) if isinstance(table, HttpConnectorTable) else table
        for table in settings.connector
    ]
    rules = settings.rules.model_copy(update={"files": files})
    return settings.model_copy(update={"rules": rules, "connector": connectors})


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    match = _AT_LINE.search(message)
    line = int(match[1]) if match and match[1] else len(text.splitlines())
    column = int(match[2]) if match and match[2] else 0
    hint = wording.syntax_hint(text.splitlines()[line - 1], column) if column else ""
    return Problem(str(file), line, column, "", f"not TOML: {_AT_LINE.sub('', message).strip()}{hint}")


@dataclass(frozen=True, slots=True)
class _References:
    """Replaces every `{ env = ... }` and `{ file = ... }` by what it names; what names nothing becomes a problem."""

    file: Path
    environment: Mapping[str, str]
    found: dict[places.Path, int]
    problems: list[Problem]

    def resolve(self, value: Any, path: places.Path = ()) -> Any:
        """The value at `path` with all references in it replaced."""
        if isinstance(value, list):
            return [self.resolve(element, (*path, index)) for index, element in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if "env" in value and set(value) <= {"env", "default"}:
            return self._from_environment(value, path)
        if set(value) == {"file"}:
            return self._from_file(value["file"], path)
        return {key: self.resolve(element, (*path, key)) for key, element in value.items()}

    def _from_environment(self, reference: dict[str, Any], path: places.Path) -> Any:
        name = reference["env"]
        if name in self.environment:
            return self.environment[name]
        if "default" in reference:
            return reference["default"]
        return self._missing(path, f"the environment variable {name} is not set")

    def _from_file(self, name: str, path: places.Path) -> str:
        try:
            return (self.file.parent / name).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            return self._missing(path, f"the file {name} cannot be read: {error.strerror}")

    def _missing(self, path: places.Path, message: str) -> str:
        line = places.line_of(self.found, path)
        self.problems.append(Problem(str(self.file), line, 0, places.dotted(path), message))
        return ""


def _validation_problems(
    file: Path, found: dict[places.Path, int], error: ValidationError, known: set[str]
) -> list[Problem]:
    problems = []
    for mistake in error.errors(include_url=False):
        path = _without_tags(mistake["loc"])
        if mistake["type"] == "union_tag_invalid":
            path = (*path, "type")
        field = places.dotted(path)
        if field in known:
            continue
        line = places.line_of(found, path)
        problems.append(Problem(str(file), line, 0, field, wording.words(mistake, Settings)))
    return problems


def _without_tags(path: places.Path) -> places.Path:
    before: tuple[str | int, ...] = ("", *path)
    return tuple(
        part
        for part, previous in zip(path, before, strict=False)
        if part not in _UNION_TAGS or not (isinstance(previous, int) or previous == "auth")
    )
