"""OData V4 as Business Central speaks it: filters, pages of the server's, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.expression import Dialect, Predicate, parse

Row = dict[str, Any]

LENGTHS: Final = {
    **dict.fromkeys(("number", "orderNumber", "itemNumber", "sourceNumber"), 20),
    **dict.fromkeys(("code", "locationCode", "scrapCode", "operationNumber", "journalBatchName"), 10),
    **dict.fromkeys(("lotNumber", "serialNumber"), 50),
    "externalDocumentNumber": 35,
}
"""Of the fields that are Code: a longer value is refused, in a filter too."""
_CLAUSE: Final = re.compile(r"(\w+) (eq|ne|ge|gt|le|lt) (?:'((?:[^']|'')*)'|([\w.:+-]+))")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {"eq": eq, "ne": ne, "ge": ge, "gt": gt, "le": le, "lt": lt}
_PREFERRED: Final = re.compile(r"odata\.maxpagesize=(\d+)")


class BcError(Exception):
    """A refusal with its status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)

    def response(self) -> Response:
        """The error document."""
        return JSONResponse({"error": {"code": self.code, "message": f"{self}  CorrelationId:  5f0c."}}, self.status)


def listing(rows: list[Row], request: Request, most: int) -> Response:
    """What a query asks for, at most `most` rows of it or as many as the client prefers; `@odata.nextLink` leads to the rest."""
    query = request.query_params
    meets = parse(query.get("$filter", ""), Dialect(_CLAUSE, lambda match: _clause(match, rows), _invalid, _distinct))
    found = [row for row in rows if meets(row)]
    if order := query.get("$orderby"):
        found.sort(key=lambda row: row[order])
    preferred = _PREFERRED.search(request.headers.get("prefer", ""))
    size = min(most, int(preferred[1])) if preferred else most
    first = int(query.get("$skiptoken", query.get("$skip", 0)))
    top = int(query.get("$top", len(found)))
    part = found[first : first + min(top, size)]
    document: dict[str, Any] = {"value": part}
    if len(part) < min(top, len(found) - first):
        rest = {**query, "$skiptoken": str(first + len(part))}
        document["@odata.nextLink"] = f"https://api.example.com{request.url.path}?aid=FIN&{urlencode(rest)}"
    return JSONResponse(document)


def check_lengths(sent: Row) -> None:
    """Raises BcError for a text that is longer than its field."""
    for name, value in sent.items():
        if len(str(value)) > LENGTHS.get(name, 1000):
            raise BcError(
                400, "Application_StringExceededLength",
                f"The length of the string is {len(str(value))}, but it must be less than or equal to {LENGTHS[name]} characters.",
            )  # fmt: skip


def _clause(match: re.Match[str], rows: list[Row]) -> Predicate:
    name, operator, bare = match[1], _OPERATORS[match[2]], match[4]
    text = None if match[3] is None else match[3].replace("''", "'")
    if rows and name not in rows[0]:
        raise BcError(400, "BadRequest", f"Could not find a property named '{name}'.")
    if text is not None and len(text) > LENGTHS.get(name, 1000):
        raise BcError(
            400, "Application_FilterErrorException",
            f"The length of the string is {len(text)}, but it must be less than or equal to {LENGTHS[name]} characters.",
        )  # fmt: skip
    is_code = name in LENGTHS
    # Code is upper case, without blanks at its end; other texts and times are compared as they stand.
    wanted: Any = _code(text) if text is not None and is_code else text if text is not None else bare

    def meets(row: Any) -> bool:
        value = row[name]
        if isinstance(value, int | float):
            return operator(value, float(wanted))
        return operator(_code(str(value)) if is_code else str(value), wanted)

    return meets


def _code(text: str) -> str:
    return text.upper().strip()


def _invalid(at: int) -> BcError:
    return BcError(400, "BadRequest", f"Syntax error at position {at} in the filter.")


def _distinct() -> BcError:
    return BcError(
        501,
        "BadRequest_MethodNotImplemented",
        "The 'OR' operator is not supported on distinct fields on an OData filter.",
    )
