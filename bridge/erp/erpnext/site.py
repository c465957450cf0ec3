"""One Frappe site: documents and lists by `/api/resource`, and what its errors mean.

Frappe wraps its messages twice: `_server_messages` is a string with a JSON list of strings with JSON objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.connector import MasterDataProblem, Refusal
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, segment, unreadable
from bridge.erp.http.exchange import UNREADABLE
from bridge.errors import BusinessError, CredentialsError, TransientError

Row = Mapping[str, Any]
Filter = list[Any]

_PAGE: Final = 500
_TAG: Final = re.compile(r"<[^>]*>")
_BUSY: Final = frozenset(
    {
        "QueryDeadlockError",
        "QueryTimeoutError",
        "TimestampMismatchError",
        "DocumentLockedError",
        "RateLimitExceededError",
    }
)
_KEYS: Final = frozenset(
    {"InvalidAuthorizationHeader", "InvalidAuthorizationPrefix", "InvalidAuthorizationToken", "SessionExpired"}
)
_CLOSED: Final = frozenset({"ClosedAccountingPeriod", "PeriodClosedError", "FiscalYearError", "StockFreezeError"})


class Site:
    """The documents of one site. `async with http` opens and closes its connections."""

    def __init__(self, settings: ErpNextSettings) -> None:
        self.http = HttpClient(settings, _judge)

    async def rows(self, doctype: str, fields: Sequence[str], filters: Sequence[Filter]) -> list[Row]:
        """All documents that meet the filters, by name. A page begins behind the last name, so that none hides another."""
        found: list[Row] = []
        while True:
            behind = [["name", ">", found[-1]["name"]]] if found else []
            page = await self._page(doctype, fields, [*filters, *behind], _PAGE)
            found += page
            if len(page) < _PAGE:
                return found

    async def first(self, doctype: str, fields: Sequence[str], filters: Sequence[Filter]) -> Row | None:
        """One document that meets the filters, or None."""
        found = await self._page(doctype, fields, filters, 1)
        return found[0] if found else None

    async def method(self, name: str, arguments: Mapping[str, Any]) -> Row:
        """What a method answers that changes nothing. Raises TransientError where that is no document."""
        request = Request("POST", f"api/method/{name}", is_repeatable=True, json=dict(arguments))
        reply, answer = await self.http.ask(request)
        message = answer.get("message") if isinstance(answer, dict) else None
        if not isinstance(message, dict):
            raise unreadable(request, reply, "something that is no document")
        return message

    async def mistakes_in_field(self, field: str, doctypes: Sequence[str]) -> list[MasterDataProblem]:
        """Kinds of document that do not have the field, or not as a unique one, as far as the user may see that."""
        problems = []
        for doctype in doctypes:
            try:
                await self.first(doctype, [], [[field, "=", "-"]])
            except (BusinessError, TransientError) as error:
                cause = error.__cause__
                if isinstance(error, TransientError) and not (isinstance(cause, Refusal) and cause.is_own_fault):
                    raise
                problems.append(
                    _field(f"ERPNext's {doctype} has no field {field}: add it as Data, unique, no copy ({error})")
                )
                continue
            try:
                row = await self.first("Custom Field", ["unique"], [["name", "=", f"{doctype}-{field}"]])
            except CredentialsError:
                continue  # only System Managers see how a field is made
            if row is not None and not row.get("unique"):
                problems.append(
                    _field(
                        f"{field} of ERPNext's {doctype} is not unique: tick Unique, so that nothing is entered twice"
                    )
                )
        return problems

    async def _page(self, doctype: str, fields: Sequence[str], filters: Sequence[Filter], most: int) -> list[Row]:
        query = {
            "fields": json.dumps(["name", *fields]),
            "filters": json.dumps(list(filters)),
            "order_by": "name asc",
            "limit_page_length": str(most),
        }
        request = Request("GET", resource(doctype), is_repeatable=True, query=query)
        reply, answer = await self.http.ask(request)
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows
        ):
            raise unreadable(request, reply, "something that is no list of documents")
        return rows


def _field(message: str) -> MasterDataProblem:
    return MasterDataProblem("event_id_field", message)


def resource(doctype: str, name: str = "") -> str:
    """The path of a kind of document, or of one document."""
    return f"api/resource/{segment(doctype)}" + (f"/{segment(name)}" if name else "")


def _judge(reply: Reply) -> Verdict:
    kind, says = _message(reply)
    if kind in _CLOSED:
        return Verdict(Kind.CLOSED_PERIOD, says or "")
    if kind in _BUSY and reply.status < 500:
        return Verdict(Kind.TRANSIENT, says or "")
    if kind == "UniqueValidationError":  # a ValidationError to Frappe: 417
        return Verdict(Kind.POSTED, says or "")
    if kind in _KEYS:
        return Verdict(Kind.CREDENTIALS, says or "")
    return by_status(reply.status, says)


def _message(reply: Reply) -> tuple[str, str | None]:
    """The exception's class and what it says; None where the answer is no error of Frappe's."""
    try:
        answer = reply.json()
        kind = str(answer["exc_type"])
    except (*UNREADABLE, LookupError, TypeError):
        return "", None
    try:
        wrapped = [json.loads(message) for message in json.loads(answer["_server_messages"])]
        texts = [_TAG.sub("", str(message["message"])) for message in wrapped]
    except (*UNREADABLE, LookupError, TypeError):
        texts = []
    return kind, f"{kind}: {'; '.join(texts)}" if texts else str(answer.get("exception", kind))
