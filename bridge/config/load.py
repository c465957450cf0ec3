"""Reading the configuration file: every mistake at once, each with its line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from bridge.config import places
from bridge.config.settings import Settings
from bridge.errors import ConfigError, Problem

_AT_LINE: Final = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")
_UNION_TAGS: Final = frozenset({"mqtt", "opcua", "odoo19"})
_ROOT: Final[places.Path] = ()


def load_settings(file: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a configuration file; paths in it are relative to its folder.

    Raises ConfigError with every mistake, in the order of their lines.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(str(file), 0, 0, "", f"cannot be read: {reason}")]) from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(file, text, str(error))]) from error
    found = places.places(text)
    problems: list[Problem] = []
    resolved = _resolve(tables, _ROOT, file, environment, found, problems)
    try:
        settings = Settings.model_validate(resolved)
    except ValidationError as error:
        problems += _validation_problems(file, found, error, {p.field for p in problems})
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return _with_absolute_files(settings, file.parent)


def _with_absolute_files(settings: Settings, folder: Path) -> Settings:
    files = [str((folder / name).resolve()) for name in settings.rules.files]
    return settings.model_copy(update={"rules": settings.rules.model_copy(update={"files": files})})


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    match = _AT_LINE.search(message)
    line = int(match[1]) if match and match[1] else len(text.splitlines())
    column = int(match[2]) if match and match[2] else 0
    return Problem(str(file), line, column, "", f"not TOML: {_AT_LINE.sub('', message).strip()}")


def _resolve(
    value: Any,
    path: places.Path,
    file: Path,
    environment: Mapping[str, str],
    found: dict[places.Path, int],
    problems: list[Problem],
) -> Any:
    """The value with every `{env = ...}` and `{file = ...}` replaced by what it names."""
    if isinstance(value, list):
        return [_resolve(v, (*path, i), file, environment, found, problems) for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "env" in value and set(value) <= {"env", "default"}:
        if (text := environment.get(value["env"])) is not None:
            return text
        if "default" in value:
            return value["default"]
        message = f"the environment variable {value['env']} is not set"
    elif set(value) == {"file"}:
        try:
            return (file.parent / value["file"]).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            message = f"the file {value['file']} cannot be read: {error.strerror}"
    else:
        return {k: _resolve(v, (*path, k), file, environment, found, problems) for k, v in value.items()}
    problems.append(Problem(str(file), places.line_of(found, path), 0, _dotted(path), message))
    return ""


def _validation_problems(
    file: Path, found: dict[places.Path, int], error: ValidationError, known: set[str]
) -> list[Problem]:
    problems = []
    for mistake in error.errors(include_url=False, include_context=False, include_input=False):
        path = tuple(part for part in mistake["loc"] if part not in _UNION_TAGS)
        field = _dotted(path)
        if field in known:
            continue
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = "is not a known setting"
        problems.append(Problem(str(file), places.line_of(found, path), 0, field, message))
    return problems


def _dotted(path: places.Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
