"""What the shape of a description's tables cannot say: placeholders, and requests that do not fit the protocol.

Works on the tables as they were read, so that these mistakes are told beside those of the shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from bridge.config import places
from bridge.erp.declarative.template import Placeholder, placeholders
from bridge.erp.declarative.values import FIELDS, FORMS, READING, STOCK, TOTALS

Mistake = tuple[places.Path, str]

_OWN: Final[Mapping[str, frozenset[str]]] = {
    "rest": frozenset({"method", "path", "query", "headers", "body", "form", "xml"}),
    "json_rpc": frozenset({"call", "params"}),
    "xml_rpc": frozenset({"call", "params"}),
    "soap": frozenset({"call", "params"}),
    "graphql": frozenset({"document", "params"}),
}


_KEY: Final = {"rest": "path", "graphql": "document"}
_NEEDED: Final = {
    "orders": frozenset({"number", "external_id", "product", "quantity", "due", "state"}),
    "shipments": frozenset({"number", "order_ref", "state", "created_at", "planned_at", "due_at", "shipped_at"}),
    "requests": frozenset({"external_id", "state", "changed_at"}),
}


def mistakes_in(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every mistake with its place."""
    protocol = str(raw.get("protocol"))
    for path, request in requests_in(raw):
        if protocol in _OWN:
            yield from _misfits(protocol, path, request)
    for path, found in _strings(raw):
        if isinstance(found, ValueError):
            yield path, str(found)
        elif mistake := _unknown(found, _known(raw, path)):
            yield path, mistake
    for name, fields in _NEEDED.items():
        table = raw.get(name)
        if isinstance(table, Mapping) and (missing := fields - set(table.get("fields", {}))):
            yield (name, "fields"), f"lacks {', '.join(sorted(missing))}"
    yield from _unasked(raw)


def _unasked(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    """Questions for totals and stock that do not name what they ask for."""
    used = {(path[0], found.name) for path, found in _strings(raw) if isinstance(found, Placeholder)}
    if isinstance(totals := raw.get("totals"), Mapping):
        one, several = ("totals", "order_ref") in used, ("totals", "order_refs") in used
        if one is several:
            yield ("totals", "request"), "asks for one order with {order_ref}, or for several with {order_refs}"
        missing = [name for name in ("items", "order") if name not in totals]
        if several and missing:
            yield ("totals",), f"lacks {', '.join(missing)}: with {{order_refs}} the answer has a record for each order"
        for name in ("items", "order", "next", "at_once"):
            if one and not several and name in totals:
                yield ("totals", name), "belongs to {order_refs}; with {order_ref} the answer is of one order"
    if isinstance(raw.get("stock"), Mapping) and ("stock", "item") not in used:
        yield ("stock", "request"), "names no {item} that it asks for"


def _misfits(protocol: str, path: places.Path, request: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in request:
        if name not in _OWN[protocol]:
            yield (*path, name), f"has no meaning for {protocol}"
    needed = _KEY.get(protocol, "call")
    if needed not in request:
        yield path, f"a request of {protocol} needs {needed}"
    if any(True for _ in placeholders(request.get("call", ""))):
        yield (*path, "call"), "is fixed: values go into params"


def _unknown(found: Placeholder, known: frozenset[str]) -> str:
    """What is wrong with a placeholder; empty: nothing."""
    if found.name not in known:
        close = get_close_matches(found.name, sorted(known), 1)
        meant = f"; did you mean {{{close[0]}}}" if close else f"; there are {', '.join(sorted(known))}"
        return f"{{{found.name}}} is unknown here{meant}"
    if found.form not in FORMS:
        close = get_close_matches(found.form, sorted(FORMS), 1) or [", ".join(sorted(FORMS - {""}))]
        return f"{{{found.name}:{found.form}}}: unknown form; did you mean {close[0]}"
    return ""


def requests_in(value: Any, path: places.Path = ()) -> Iterator[tuple[places.Path, Mapping[str, Any]]]:
    """Every request of the tables, with its place."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "request" and isinstance(inner, Mapping):
                yield (*path, name), inner
            else:
                yield from requests_in(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from requests_in(inner, (*path, index))


def _strings(raw: Mapping[str, Any]) -> Iterator[tuple[places.Path, Any]]:
    """All placeholders of requests and of what people are told; a GraphQL document has braces of its own."""
    for path, request in requests_in(raw):
        yield from placeholders({n: v for n, v in request.items() if n != "document"}, path)
    for path, words in _others(raw):
        for _, found in placeholders(words):
            yield path, found


def _others(value: Any, path: places.Path = ()) -> Iterator[tuple[places.Path, Any]]:
    """What must hold of an answer, which may name the event's values."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "require" and isinstance(inner, list):
                conditions = [one for one in inner if isinstance(one, Mapping)]
                yield (*path, name), [[one.get("otherwise", ""), one.get("is_one_of", [])] for one in conditions]
            elif name != "request":
                yield from _others(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _others(inner, (*path, index))


def _known(raw: Mapping[str, Any], path: places.Path) -> frozenset[str]:
    """The placeholders that may stand at a place."""
    match path:
        case ("event", str(kind), *_):
            table = raw["event"][kind]
            return FIELDS.get(kind, frozenset()) | _taken(table)
        case ("totals", *_):
            return TOTALS
        case ("stock", *_):
            return STOCK
        case ("check_item", *_):
            return frozenset({"item"})
        case ("check_equipment", *_):
            return frozenset({"equipment_id"})
        case _:
            return READING


def _taken(value: Any) -> frozenset[str]:
    if isinstance(value, Mapping):
        own = frozenset(value["take"]) if isinstance(value.get("take"), Mapping) else frozenset()
        return own.union(*(_taken(inner) for inner in value.values()))
    return frozenset().union(*(_taken(inner) for inner in value)) if isinstance(value, list) else frozenset()
