"""Tryton's REST interface: `/<database>/rest/model/<model>[/<id>[/<action>]]`, and what each of its refusals means.

Domains and orders go as base64url of JSON, the company in the header X-Tryton-Context. Dates and decimals are objects with
`__class__`. Seen on a running 8.2: a UserError is a 400 with `{status, message, description}`; an AccessError of an action is
a 403 without a word (rights, or a closed period); a refused key is a 401; an unknown field or model is a 500 in HTML.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import Refusal
from bridge.erp.http import HttpClient, Kind, OverHttp, Reply, Request, Verdict, by_status
from bridge.errors import BusinessError, TransientError

_PAGE: Final = 500


class TrytonClient(OverHttp):
    """One Tryton database. `async with` opens and closes its connections."""

    def __init__(self, settings: TrytonSettings) -> None:
        self.company = settings.company
        self._root = f"{settings.database}/rest/model/"
        self.http = HttpClient(settings, _judge)

    async def search(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        order: str = "id ASC",
        limit: int = _PAGE,
        **context: Any,
    ) -> list[dict[str, Any]]:
        """Records that the domain selects, at most `limit`. Raises TransientError where the answer is no list of records.

        `context` is Tryton's, beside the company: what computed fields are computed for.
        """
        query = {"d": encoded(list(domain)), "o": encoded([order.split()]), "s": str(limit), "f": list(fields)}
        request = self._request("GET", f"{model}?{urlencode(query, doseq=True)}", None, is_repeatable=True, **context)
        reply, value = await self.http.ask(request)
        if not isinstance(value, list) or not all(_is_record(record) for record in value):
            raise TransientError(f"{model} was answered with something that is no list of records") from Refusal(
                reply.status, reply.text
            )
        return value

    async def search_all(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **context: Any
    ) -> list[dict[str, Any]]:
        """All records; a page begins behind the last id, so that a record that comes in between hides none."""
        found: list[dict[str, Any]] = []
        while True:
            last = found[-1]["id"] if found else 0
            page = await self.search(model, [*domain, ["id", ">", last]], fields, **context)
            found += page
            if len(page) < _PAGE:
                return found

    async def quantity(self, product: int, location: int) -> Decimal:
        """What of a product is in a location and below it, in the product's default unit."""
        request = self._request(
            "GET", f"product.product/{product}?f=quantity", None, is_repeatable=True, locations=[location]
        )
        reply, value = await self.http.ask(request)
        if not _is_record(value) or not isinstance(value.get("quantity"), int | Decimal):
            raise TransientError(f"product {product} was answered without its quantity") from Refusal(
                reply.status, reply.text
            )
        return Decimal(value["quantity"])

    async def send(self, call: str, body: Mapping[str, Any], *, is_repeatable: bool) -> tuple[Reply, dict[str, Any]]:
        """Send a changing request, `METHOD path`; the record that it is answered with.

        Raises UnknownOutcome (TransientError where it is repeatable) for an answer that is no record.
        """
        method, _, path = call.partition(" ")
        request = self._request(method, path, dict(body), is_repeatable=is_repeatable)
        reply, value = await self.http.ask(request)
        if not _is_record(value):
            raise request.unclear(f"{call} was answered with something that is no record") from Refusal(
                reply.status, reply.text
            )
        return reply, value

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None, *, is_repeatable: bool, **context: Any
    ) -> Request:
        headers = {"X-Tryton-Context": encoded({"company": self.company, **context})}
        return Request(method, self._root + path, is_repeatable=is_repeatable, headers=headers, json=body)


def _judge(reply: Reply) -> Verdict:
    try:
        document = reply.json()
    except (ValueError, ArithmeticError, RecursionError):
        document = None
    message = document.get("message") if isinstance(document, dict) else None
    says = None if message is None else f"{message} {document.get('description') or ''}".strip()
    match reply.status:
        case 403:
            return Verdict(Kind.BUSINESS, "forbidden to the key's user, or of a closed period")
        case 404 if says is None:
            return Verdict(by_status(404, None).kind, "not found: is the connector's database the right one?")
        case 423:
            return Verdict(Kind.TRANSIENT, says or "the record is being changed by somebody else")
        case _:
            return by_status(reply.status, says)


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), int)


def encoded(value: Any) -> str:
    """JSON as Tryton takes it in addresses and headers."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def to_date(day: date) -> dict[str, Any]:
    """A date in JSON."""
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def to_instant(moment: datetime) -> dict[str, Any]:
    """A time in JSON; Tryton's are UTC without a zone."""
    at = moment.astimezone(UTC)
    parts = {name: getattr(at, name) for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")}
    return {"__class__": "datetime", **parts}


def day_of(value: Any) -> date | None:
    """A date that Tryton answered; None for its empty value. Raises BusinessError for anything else."""
    if value is None:
        return None
    try:
        return date(int(value["year"]), int(value["month"]), int(value["day"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BusinessError(f"Tryton gives {value!r} for a date") from error


def instant_of(value: Any) -> datetime | None:
    """A time that Tryton answered, aware UTC; None for its empty value. Raises BusinessError for anything else."""
    day = day_of(value)
    if day is None:
        return None
    try:
        at = time(int(value["hour"]), int(value["minute"]), int(value["second"]), int(value["microsecond"]))
        return datetime.combine(day, at, UTC)
    except (KeyError, TypeError, ValueError) as error:
        raise BusinessError(f"Tryton gives {value!r} for a time") from error
