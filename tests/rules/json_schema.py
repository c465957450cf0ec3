"""As much of JSON schema (draft 2020-12) as the schema of rule files uses; what it does not know is an error."""

from __future__ import annotations

import re
from typing import Any

_TYPES = {
    "object": lambda v: isinstance(v, dict), "array": lambda v: isinstance(v, list), "string": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool), "boolean": lambda v: isinstance(v, bool),
}  # fmt: skip
_SAYS_NOTHING = {"$schema", "$id", "$defs", "title", "description", "default"}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$") -> list[str]:
    """Where a value is not what a schema says."""
    found: list[str] = []
    for word, said in schema.items():
        if word in _SAYS_NOTHING:
            continue
        found += [f"{path}: {word} {more}" for more in _judge(word, said, value, schema, root, path)]
    return found


def _judge(word: str, said: Any, value: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> list[str]:  # noqa: C901, PLR0911, PLR0912  # one case a word
    match word:
        case "$ref":
            return errors(value, root["$defs"][said.rsplit("/", 1)[1]], root, path)
        case "type":
            return [] if any(_TYPES[name](value) for name in ([said] if isinstance(said, str) else said)) else [said]
        case "const":
            return [] if value == said else [said]
        case "enum":
            return [] if value in said else [str(value)]
        case "anyOf":
            return [] if any(not errors(value, each, root, path) for each in said) else [str(value)]
        case "oneOf":
            return [] if sum(not errors(value, each, root, path) for each in said) == 1 else [""]
        case "required":
            return [name for name in said if name not in value] if isinstance(value, dict) else []
        case "properties":
            return (
                [e for n, v in value.items() if n in said for e in errors(v, said[n], root, f"{path}.{n}")]
                if isinstance(value, dict)
                else []
            )
        case "additionalProperties":
            more = (
                [name for name in value if name not in schema.get("properties", {})] if isinstance(value, dict) else []
            )
            return more if said is False else [e for n in more for e in errors(value[n], said, root, f"{path}.{n}")]
        case "items":
            rest = value[len(schema.get("prefixItems", [])) :] if isinstance(value, list) else []
            return [e for i, v in enumerate(rest) for e in errors(v, said, root, f"{path}[{i}]")]
        case "prefixItems":
            return (
                [e for v, s in zip(value, said, strict=False) for e in errors(v, s, root, path)]
                if isinstance(value, list)
                else []
            )
        case "pattern":
            return [] if not isinstance(value, str) or re.search(said, value) else [value]
        case "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties":
            return (
                []
                if not isinstance(value, str | list | dict)
                or (len(value) >= said if word[1] == "i" else len(value) <= said)
                else [said]
            )
        case "minimum":
            return [] if not isinstance(value, int | float) or value >= said else [said]
        case "exclusiveMaximum":
            return [] if not isinstance(value, int | float) or value < said else [said]
        case _:
            raise AssertionError(f"{word} is not known here")
