"""What pydantic found, in words for whoever wrote the file: what the setting means, what was probably meant, what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Models = frozenset[type[BaseModel]]
Place = tuple[str | int, ...]

_WRITE: Final = {
    "int_type": "write a whole number, without quotes",
    "int_parsing": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "float_parsing": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "string_type": "write a text, in quotes",
    "list_type": "is a list: write [...], or [[...]] for tables",
    "model_type": "is a table, with settings of its own",
    "model_attributes_type": "is a table, with settings of its own",
    "dict_type": "is a table: name = value",
}
_LOOKS: Final = {
    r"^https?://": "begins with http:// or https://",
    r"^(mqtts?|wss?)://": "begins with mqtt://, mqtts://, ws:// or wss://",
    r"^opc\.tcp://": "begins with opc.tcp://",
    r"^[a-z0-9][a-z0-9_-]{0,40}$": "has small letters, digits, - and _ only, 41 at most",
}
_IN_QUOTES: Final = re.compile(r"'([^']+)'")


def words(mistake: Mapping[str, Any], root: type[BaseModel]) -> str:
    """A sentence for one of pydantic's errors (`include_context` and `include_input`) about a file of `root`."""
    kind, context, given = str(mistake["type"]), mistake.get("ctx", {}), mistake.get("input")
    place: Place = tuple(mistake["loc"])
    match kind:
        case "extra_forbidden":
            told = "is not a known setting" + _meant(str(place[-1]), _names(_around(place[:-1], root)))
        case "missing":
            told = f"is missing{_meaning(place, root)}"
        case "union_tag_invalid":
            tag = str(context["tag"])
            told = f"there is no type {tag!r}" + _meant(tag, _quoted(context["expected_tags"]))
        case "union_tag_not_found":
            told = "type is missing" + _meant("", _tags(place, root))
        case "literal_error" | "enum":
            told = f"{given!r} is none of its words" + _meant(str(given), _quoted(context["expected"]))
        case "list_type" if isinstance(given, dict):
            told = f"is a list: write [[{_dotted(place, root)}]], with two brackets, for each"
        case "string_pattern_mismatch":
            look = _LOOKS.get(context["pattern"], f"looks like {context['pattern']}")
            told = f"{look}{_meaning(place, root)}"
        case _:
            told = _WRITE.get(kind) or str(mistake["msg"]).removeprefix("Value error, ")
    return told


def syntax_hint(line: str, column: int) -> str:
    """What a value that TOML cannot read was probably meant to be; empty where nothing is known. `column` counts from 1."""
    value = line[column - 1 :].strip() if column else ""
    if value.split("#")[0].strip().lower() in ("true", "false"):
        return f"; write {value.split('#')[0].strip().lower()}, in small letters"
    return "; a text stands in quotes" if value[:1].isalpha() or value[:1] == "/" else ""


def _meant(given: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if close := get_close_matches(given, names, 1) or [name for name in names if given and name.startswith(given)][:1]:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names)}" if names else ""


def _meaning(place: Place, root: type[BaseModel]) -> str:
    described = [field.description for field in _fields(place, root) if field.description]
    return f": {described[0]}" if described else ""


def _dotted(place: Place, root: type[BaseModel]) -> str:
    """A place as a header of TOML names it: without numbers and types."""
    named = [part for at, part in enumerate(place) if isinstance(part, str) and part not in _tags(place[:at], root)]
    return ".".join(map(str, named))


def _quoted(expected: str) -> list[str]:
    return _IN_QUOTES.findall(expected)


def _tags(place: Place, root: type[BaseModel]) -> set[str]:
    return {tag for model in _around(place, root) for tag in _types(model)}


def _names(models: Models) -> set[str]:
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _fields(place: Place, root: type[BaseModel]) -> list[FieldInfo]:
    """The field that a place ends with, of every table that may stand there."""
    return _named(place[-1], _around(place[:-1], root))


def _named(name: str | int, models: Models) -> list[FieldInfo]:
    return [field for model in models for own, field in model.model_fields.items() if name in (own, field.alias)]


def _around(place: Place, root: type[BaseModel]) -> Models:
    """The tables that may stand at a place. Pydantic's places name the type of a table behind its number."""
    models: Models = frozenset({root})
    for part in place:
        if isinstance(part, int):
            continue
        if found := _named(part, models):
            models = frozenset(model for field in found for model in _models(field.annotation))
        elif of_type := frozenset(model for model in models if part in _types(model)):
            models = of_type
    return models


def _types(model: type[BaseModel]) -> set[str]:
    """The words by which a table says which of several it is."""
    field = model.model_fields.get("type")
    return {str(word) for word in get_args(field.annotation)} if field else set()


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
