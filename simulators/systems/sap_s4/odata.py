"""OData V2 as SAP Gateway speaks it: literals, filters, answers and errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from operator import ge, gt, le, lt
from typing import Any, Final

from starlette.responses import JSONResponse, Response

Row = dict[str, Any]

_CLAUSE: Final = re.compile(
    r"(\w+) (eq|ne|ge|gt|le|lt) (?:(datetimeoffset|datetime|guid)?'((?:[^']|'')*)'|(true|false|-?\d+(?:\.\d+)?))"
)
_ENTITY: Final = re.compile(r"([\w]+)(?:\((.*)\))?")
_KEY: Final = re.compile(r"(?:(\w+)=)?'((?:[^']|'')*)'")
_ORDERED: Final = {"ge": ge, "gt": gt, "le": le, "lt": lt}
_DATE: Final = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/")


class ODataError(Exception):
    """A refusal with the status and the code that Gateway gives."""

    def __init__(self, status: int, code: str, message: str, details: Iterable[tuple[str, str]] = ()) -> None:
        self.status, self.code, self.details = status, code, list(details)
        super().__init__(message)

    def response(self) -> Response:
        """Gateway's error document."""
        details = [
            {"code": code, "message": message, "propertyref": "", "severity": "error", "target": ""}
            for code, message in self.details
        ]
        inner = {"application": {"component_id": "PP-SFC"}, "transactionid": "5F0C", "errordetails": details}
        error = {"code": self.code, "message": {"lang": "en", "value": str(self)}, "innererror": inner}
        return JSONResponse({"error": error}, self.status)


def entity(segment: str) -> tuple[str, dict[str, str]]:
    """The set and the key of a path's segment: `A_Order('7')`, `Conf(Group='1',Count='2')`."""
    match = _ENTITY.fullmatch(segment)
    if match is None:
        raise ODataError(404, "/IWFND/CM_MGW/004", f"Resource not found for the segment '{segment}'")
    keys = {name: value.replace("''", "'") for name, value in _KEY.findall(match[2] or "")}
    return match[1], keys


def filtered(rows: Iterable[Row], expression: str) -> list[Row]:
    """Rows that meet a `$filter` of clauses joined by `and`. Raises ODataError for what is no such filter."""
    clauses: list[tuple[str, str, Any]] = []
    at = 0
    while at < len(expression):
        match = _CLAUSE.match(expression, at)
        if match is None:
            raise ODataError(400, "/IWBEP/CM_MGW_RT/020", f"Invalid expression at position {at}")
        clauses.append((match[1], match[2], _literal(match)))
        at = match.end()
        if at < len(expression) and not expression.startswith(" and ", at):
            raise ODataError(400, "/IWBEP/CM_MGW_RT/020", f"Invalid expression at position {at}")
        at += len(" and ") if at < len(expression) else 0
    return [row for row in rows if all(_meets(row, *clause) for clause in clauses)]


def _literal(match: re.Match[str]) -> Any:
    kind, text, bare = match[3], match[4], match[5]
    if bare is not None:
        return bare == "true" if bare in {"true", "false"} else bare
    if kind in {"datetime", "datetimeoffset"}:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return text.replace("''", "'").lower() if kind == "guid" else text.replace("''", "'")


def _meets(row: Mapping[str, Any], name: str, operator: str, wanted: Any) -> bool:
    if name not in row:
        raise ODataError(400, "005056A509B11EE1B9A8FEC11C21578E", f"Property {name} not found in type")
    value = row[name]
    if isinstance(wanted, datetime):
        value = from_date(value)
    if operator in {"eq", "ne"}:
        return bool(value == wanted) is (operator == "eq")
    return value is not None and bool(_ORDERED[operator](value, wanted))


def listing(rows: list[Row], query: Mapping[str, str]) -> Response:
    """A set, by `$filter`, `$orderby` of one property, `$skip`, `$top`, `$select`."""
    found = filtered(rows, query.get("$filter", ""))
    if order := query.get("$orderby"):
        found.sort(key=lambda row: [str(row[name]) for name in order.split(",")])
    first = int(query.get("$skip", 0))
    found = found[first : first + int(query.get("$top", 1000))]
    expanded = query.get("$expand", "").split(",")
    found = [{n: v for n, v in row.items() if not n.startswith("to_") or n in expanded} for row in found]
    if names := query.get("$select"):
        kept = set(names.split(",")) | {"__metadata"}
        found = [{name: value for name, value in row.items() if name in kept} for row in found]
    return JSONResponse({"d": {"results": found}})


def one(row: Row, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One entity; its ETag in the metadata stands in the header too."""
    known = dict(headers or {})
    if etag := row.get("__metadata", {}).get("etag"):
        known["ETag"] = etag
    return JSONResponse({"d": row}, status, known)


def to_date(moment: datetime | date | None) -> str | None:
    """`/Date(ms)/`, in UTC; a day is its midnight."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return f"/Date({int(moment.timestamp() * 1000)})/"


def from_date(text: Any) -> datetime | None:
    """The moment of `/Date(ms)/` or of an ISO date and time."""
    if not text:
        return None
    if match := _DATE.fullmatch(str(text)):
        return datetime.fromtimestamp(int(match[1]) / 1000, UTC)
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    except ValueError:
        raise ODataError(400, "CX_SXML_PARSE_ERROR/1", f"Invalid date {text}") from None


def to_time(moment: datetime | None) -> str:
    """`PT12H30M05S`."""
    return f"PT{moment:%H}H{moment:%M}M{moment:%S}S" if moment else "PT00H00M00S"
