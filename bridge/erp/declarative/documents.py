"""Answers as values, and where in them something is. XML is read without DTDs, entities or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # it has none

from bridge.config.field_path import parse_path
from bridge.model.text import storable


class UnreadableError(ValueError):
    """The bytes are no document of the kind that was expected."""


def from_xml(content: bytes) -> tuple[str, Any]:
    """The root's name and an XML document as a value: see `element_value`. Raises UnreadableError."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnreadableError("an answer with a DTD is not read")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableError(f"no XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:  # in an encoding whose bytes the look above does not know
        raise UnreadableError("an answer with a DTD is not read")
    return etree.QName(root).localname, element_value(root)


def element_value(element: Any) -> Any:
    """Names without namespaces. A leaf is its text; the others are objects, repeated names lists, attributes `@name`."""
    children = [child for child in element if isinstance(child.tag, str)]
    if not children and not element.attrib:
        return storable(element.text or "")
    found: dict[str, Any] = {f"@{etree.QName(name).localname}": storable(text) for name, text in element.attrib.items()}
    if not children:
        return {**found, "#text": storable(element.text or "")}
    for child in children:
        name, value = etree.QName(child).localname, element_value(child)
        if name in found:
            found[name] = [*found[name], value] if isinstance(found[name], list) else [found[name], value]
        else:
            found[name] = value
    return found


def at(value: Any, path: str) -> Any:
    """What is at a path; None where it leads nowhere. A single thing is the first of its list: XML does not tell them apart."""
    for step in parse_path(path) if path else ():
        match step, value:
            case int(), list() | tuple():
                value = value[step] if step < len(value) else None
            case int(), _:
                value = value if step == 0 else None
            case _, dict():
                value = value.get(step)
            case str(), list() | tuple() if step.isdecimal():  # rows.0.id is meant as rows[0].id
                value = value[int(step)] if int(step) < len(value) else None
            case _:
                return None
    return value


def listed(value: Any) -> list[Any]:
    """The records at a place: a list, or the only one, or none."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def is_met(value: Any, wanted: Sequence[str | int | bool] | None) -> bool:
    """Whether a value is one of those wanted, as text or as it is; without any: whether it is there and not empty."""
    if wanted is None:
        return value is not None and value is not False and value not in ("", [], {})
    return any(value == one or (not isinstance(one, bool) and str(value) == str(one)) for one in wanted)
