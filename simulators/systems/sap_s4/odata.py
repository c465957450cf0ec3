"""OData V2 as SAP Gateway speaks it: literals, filters, pages, expanded and deferred associations, answers and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from simulators.systems.expression import Dialect, Predicate, parse

Row = dict[str, Any]

_CLAUSE: Final = re.compile(
    r"(\w+) (eq|ne|ge|gt|le|lt) (?:(datetimeoffset|datetime|guid)?'((?:[^']|'')*)'|(true|false|-?\d+(?:\.\d+)?))"
)
_ENTITY: Final = re.compile(r"([\w]+)(?:\((.*)\))?")
_KEY: Final = re.compile(r"(?:(\w+)=)?'((?:[^']|'')*)'")
_LITERAL: Final = re.compile(r"(datetimeoffset|datetime|guid)?'((?:[^']|'')*)'")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {"eq": eq, "ne": ne, "ge": ge, "gt": gt, "le": le, "lt": lt}
_UNASKED: Final = 100  # rows of an answer to a question that names no $top
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


def parameter(text: str | None, kind: str = "") -> str:
    """The value of a function's parameter, written as a literal of its type; empty where it is not given."""
    if text is None:
        return ""
    match = _LITERAL.fullmatch(text)
    if match is None or (match[1] or "") != kind:
        raise ODataError(400, "/IWBEP/CM_MGW_RT/020", f"Invalid parameter value {text}")
    return match[2].replace("''", "'")


def filtered(rows: list[Row], expression: str) -> list[Row]:
    """Rows that meet a `$filter`. Raises ODataError for what is none, and for what does not fit a property's type."""
    meets = parse(expression, Dialect(_CLAUSE, lambda match: _clause(match, rows), _invalid))
    return [row for row in rows if meets(row)]


def _invalid(at: int) -> ODataError:
    return ODataError(400, "/IWBEP/CM_MGW_RT/020", f"Invalid expression at position {at}")


def _clause(match: re.Match[str], rows: list[Row]) -> Predicate:
    name, operator, kind, bare = match[1], _OPERATORS[match[2]], match[3] or "", match[5]
    if rows and name not in rows[0]:
        raise ODataError(400, "005056A509B11EE1B9A8FEC11C21578E", f"Property {name} not found in type")
    wanted: Any = match[4].replace("''", "'") if match[4] is not None else bare
    if kind in {"datetime", "datetimeoffset"}:
        wanted = datetime.fromisoformat(wanted).replace(tzinfo=UTC)
    if bare in {"true", "false"}:
        wanted = bare == "true"

    def meets(row: Mapping[str, Any]) -> bool:
        value = row[name]
        if isinstance(wanted, datetime):
            value = _moment(name, value)
        elif isinstance(value, bool) is not isinstance(wanted, bool) or str(value).startswith("/Date("):
            raise ODataError(400, "005056A509B11ED1BEDC5B28A0E0E3B4", f"Operator incompatible with the type of {name}")
        elif kind == "guid":
            value = str(value).lower()
        return value is not None and operator(value, wanted.lower() if kind == "guid" else wanted)

    return meets


def _moment(name: str, value: Any) -> datetime | None:
    if value is not None and _DATE.fullmatch(str(value)) is None:
        raise ODataError(400, "005056A509B11ED1BEDC5B28A0E0E3B4", f"Operator incompatible with the type of {name}")
    return from_date(value)


def listing(rows: list[Row], query: Mapping[str, str], *, page: int = 5000) -> Response:
    """A set, by `$filter`, `$orderby`, `$skip`, `$top`, `$select`, `$expand`; at most `page` rows, and `__next` where there are more."""
    found = filtered(rows, query.get("$filter", ""))
    first = int(query.get("$skiptoken", query.get("$skip", 0)))
    if order := query.get("$orderby"):
        if first // page % 2:
            found.reverse()  # rows of equal keys come in any order, each time another
        found.sort(key=lambda row: [str(row[name]) for name in order.split(",")])
    top = int(query.get("$top", len(found)))
    size = min(top, page) if "$top" in query else min(_UNASKED, page)
    part = found[first : first + size]
    document: dict[str, Any] = {"results": [_shaped(row, query) for row in part]}
    if len(part) < min(top, len(found) - first):
        rest = {**query, "$skiptoken": str(first + len(part))}
        if "$top" in query:
            rest["$top"] = str(top - len(part))
        document["__next"] = f"https://internal.example.com/Set?{urlencode(rest)}"
    return JSONResponse({"d": document})


def _shaped(row: Row, query: Mapping[str, str]) -> Row:
    """A row as it is answered: associations that nobody asked for are links, and only what is selected is there."""
    expanded = set(filter(None, query.get("$expand", "").split(",")))
    selected = set(filter(None, query.get("$select", "").split(",")))
    for name in {*expanded, *(name.partition("/")[0] for name in selected)}:
        if name not in row:
            raise ODataError(400, "005056A509B11EE1B9A8FEC11C21578E", f"Property {name} not found in type")
    shaped = {}
    for name, value in row.items():
        inner = {each.partition("/")[2] for each in selected if each.startswith(f"{name}/")}
        if selected and name not in selected and not inner and name != "__metadata":
            continue
        if not name.startswith("to_"):
            shaped[name] = value
        elif name not in expanded:
            shaped[name] = {"__deferred": {"uri": f"https://internal.example.com/{name}"}}
        else:
            shaped[name] = _narrowed(value, inner)
    return shaped


def _narrowed(value: Any, names: set[str]) -> Any:
    if isinstance(value, list):
        return {"results": [_narrowed(each, names) for each in value]}
    return {name: each for name, each in value.items() if name in names} if names else value


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


def to_stamp(moment: datetime) -> str:
    """`20260701123005`, in UTC: how production orders say when they changed, a text of 14 characters."""
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%S}"
