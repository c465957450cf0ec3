"""Frappe's side: errors, and lists by filters, fields, order and pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

Row = dict[str, Any]


class FrappeError(Exception):
    """A refusal: the exception's class, the HTTP status, and the message as `_server_messages` wraps it."""

    def __init__(self, status: int, kind: str, message: str, *, told: bool = True) -> None:
        self.status, self.kind, self.told = status, kind, told
        super().__init__(message)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """A JSON list in a string, of JSON objects in strings, as Frappe has it."""
        wrapped = json.dumps(
            [json.dumps({"message": str(self), "title": "Message", "indicator": "red", "raise_exception": 1})]
        )
        body = {"exception": f"frappe.exceptions.{self.kind}: {self}", "exc_type": self.kind}
        if self.told:  # what is raised without frappe.throw has no message for people
            body["_server_messages"] = wrapped
        return JSONResponse(body, self.status, dict(headers or {}))


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    ">=": lambda value, wanted: value >= wanted,
    ">": lambda value, wanted: value > wanted,
    "<": lambda value, wanted: value < wanted,
    "in": lambda value, wanted: value in wanted,
    "is": lambda value, wanted: bool(value) is (wanted == "set"),
}


def listing(rows: Iterable[Row], known: frozenset[str], query: Mapping[str, str]) -> Response:
    """`filters`, `fields`, `order_by` of one field, `limit_start`, `limit_page_length` (0: all)."""
    found = list(rows)
    for name, operator, wanted in _json(query, "filters", []):
        _check_field(name, known)
        compare = _COMPARE.get(operator)
        if compare is None:
            raise FrappeError(417, "ValidationError", f"Operator must be one of {', '.join(_COMPARE)}")
        found = [row for row in found if row.get(name) is not None and compare(row[name], wanted)]
    if order := query.get("order_by"):
        name, _, direction = order.partition(" ")
        _check_field(name, known)
        found.sort(key=lambda row: str(row[name]), reverse=direction == "desc")
    first, most = int(query.get("limit_start", 0)), int(query.get("limit_page_length", 20))
    found = found[first : first + most] if most else found[first:]
    fields = _json(query, "fields", ["name"])
    for name in fields:
        _check_field(name, known)
    return JSONResponse({"data": [{name: row.get(name) for name in fields} for row in found]})


def _json(query: Mapping[str, str], name: str, default: Any) -> Any:
    try:
        return json.loads(query[name]) if name in query else default
    except ValueError:
        raise FrappeError(417, "ValidationError", f"{name} is not JSON") from None


def _check_field(name: str, known: frozenset[str]) -> None:
    if name not in known:
        raise FrappeError(417, "DataError", f"Field not permitted in query: {name}")
