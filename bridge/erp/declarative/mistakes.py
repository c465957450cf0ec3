"""What the shape of a description's tables cannot say: placeholders, and requests that do not fit the protocol.

Works on the tables as they were read, so that these mistakes are told beside those of the shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.config import places
from bridge.erp.declarative.scopes import mistake_in, scope, takes
from bridge.erp.declarative.template import Placeholder, placeholders
from bridge.erp.declarative.values import FIELDS

Mistake = tuple[places.Path, str]

_OWN: Final[Mapping[str, frozenset[str]]] = {
    "rest": frozenset({"method", "path", "query", "headers", "body", "form", "xml"}),
    "json_rpc": frozenset({"call", "params"}),
    "xml_rpc": frozenset({"call", "params"}),
    "soap": frozenset({"call", "params"}),
    "graphql": frozenset({"document", "params"}),
}


_COUNTED: Final = ("wip_to_fg", "scrap", "consumed")
_CREDENTIALS: Final = "credentials belong into the connector's auth, where nobody reads them"
_OF_HTTP: Final = "it is made for each request"
_ELSEWHERE: Final = "leads elsewhere: it is a path below the connector's url, to which alone the key goes"
_NOT_HERE: Final = {
    **dict.fromkeys(("authorization", "proxy-authorization", "cookie"), _CREDENTIALS),
    **dict.fromkeys(("content-length", "host", "transfer-encoding", "connection", "expect"), _OF_HTTP),
}
# GraphQL: texts, placeholders in them, and variables where they are declared.
_TEXTS: Final = re.compile(r'"[^"]*"')
_IN_TEXT: Final = re.compile(r"\{([a-z_][a-z0-9_]*)(?::[a-z_0-9]+)?\}")
_VARIABLES: Final = re.compile(r"\$(\w+)\s*:")
_KEY: Final = {"rest": "path", "graphql": "document"}
_NEEDED: Final = {
    "orders": frozenset({"number", "product", "quantity", "state"}),
    "shipments": frozenset({"number", "state", "created_at"}),
    "requests": frozenset({"external_id", "state", "changed_at"}),
}
_KNOWN: Final = {
    "orders": _NEEDED["orders"] | {"external_id", "due", "work_center"},
    "shipments": _NEEDED["shipments"] | {"order_ref", "planned_at", "due_at", "shipped_at"},
    "requests": _NEEDED["requests"],
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
        elif mistake := mistake_in(found, *scope(raw, path)):
            yield path, mistake
    yield from takes(raw)
    for name, fields in _NEEDED.items():
        table = raw.get(name)
        given = table.get("fields") if isinstance(table, Mapping) else None
        if not isinstance(given, Mapping):
            continue
        if missing := fields - set(given):
            yield (name, "fields"), f"lacks {', '.join(sorted(missing))}"
        for field in sorted(set(given) - _KNOWN[name]):
            yield (name, "fields", field), f"is not read; there are {', '.join(sorted(_KNOWN[name]))}"
    yield from _unasked(raw)
    yield from _idle(raw)


def _idle(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    """What would never do anything, or leads elsewhere."""
    yield from _address((), raw.get("path"))
    for number, rule in enumerate(raw.get("failure", []) if isinstance(raw.get("failure"), list) else []):
        if isinstance(rule, Mapping) and not rule.get("status") and "path" not in rule:
            yield ("failure", number), "fits no answer: give it a status, or a path that leads to something"
    events = raw.get("event")
    for kind, table in events.items() if isinstance(events, Mapping) else ():
        if kind not in _COUNTED and isinstance(table, Mapping) and "total" in table:
            yield ("event", kind, "total"), f"is compared for {', '.join(_COUNTED)} only"
        lookup = table.get("lookup") if isinstance(table, Mapping) else None
        same = lookup.get("same") if isinstance(lookup, Mapping) else None
        for name in same if isinstance(same, Mapping) else ():
            if name not in FIELDS.get(kind, ()):
                yield ("event", kind, "lookup", "same", name), f"is no quantity of a {kind} event"


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
    if isinstance(document := request.get("document"), str):
        yield from _unbound(path, document, request.get("params", {}))
    yield from _address(path, request.get("path"))
    for name in request.get("headers", {}) if isinstance(request.get("headers"), Mapping) else ():
        if name.lower() in _NOT_HERE:
            yield (*path, "headers", name), f"has no place here: {_NOT_HERE[name.lower()]}"


def _address(path: places.Path, address: Any) -> Iterator[Mistake]:
    if isinstance(address, str) and _leads_elsewhere(address):
        yield (*path, "path"), _ELSEWHERE
    if isinstance(address, str) and ("?" in address or "#" in address):
        yield (*path, "path"), "has more than a path: what stands behind a ? goes into query"


def _unbound(path: places.Path, document: str, params: Any) -> Iterator[Mistake]:
    """Values of a GraphQL document that do not come by its variables."""
    for text in _TEXTS.findall(document):
        for name in _IN_TEXT.findall(text):
            yield (*path, "document"), f"{{{name}}} stays as it is: declare a variable ${name} and give it in params"
    declared = set(_VARIABLES.findall(document))
    given = set(params) if isinstance(params, Mapping) else set()
    for name in sorted(given - declared):
        yield (*path, "params", name), f"the document declares no ${name}"
    for name in sorted(declared - given):
        yield (*path, "params"), f"lacks {name}, which the document declares"


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


def _leads_elsewhere(address: str) -> bool:
    return "://" in address or address.startswith("//")
