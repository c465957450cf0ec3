"""OData V2 as SAP Gateway speaks it: literals, dates, pages of rows, and what its error documents mean.

A quantity is Edm.Decimal, which is a string in JSON: it never passes a binary fraction.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, unreadable
from bridge.erp.http.csrf import CsrfToken
from bridge.erp.http.exchange import UNREADABLE
from bridge.errors import BusinessError

Row = Mapping[str, Any]

# Any service gives a token for all; this one is small.
_ANY_SERVICE: Final = "API_PRODUCTION_ORDER_2_SRV/"
_PAGE: Final = 500
_MOST_PAGES: Final = 2000
_DATE: Final = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/")
_TIME: Final = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


class Gateway:
    """The OData services of one system. `async with http` opens and closes its connections."""

    def __init__(self, settings: SapS4Settings) -> None:
        self._busy, self._closed = frozenset(settings.busy_codes), frozenset(settings.closed_codes)
        query = {"sap-client": settings.sap_client} if settings.sap_client else {}
        self.http = HttpClient(settings, self._judge, query=query, csrf=CsrfToken(_ANY_SERVICE))

    async def rows(self, path: str, query: Mapping[str, str], *, order: str) -> list[Row]:
        """All rows of a set, sorted by `order` so that pages do not overlap."""
        return [row async for row in self._pages(path, {**query, "$orderby": order})]

    async def first(self, path: str, query: Mapping[str, str]) -> Row | None:
        """One row of a set, or None."""
        found = await self._page(path, {**query, "$top": "1"})
        return found[0] if found else None

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Row]:
        for number in range(_MOST_PAGES):
            rows = await self._page(path, {**query, "$top": str(_PAGE), "$skip": str(number * _PAGE)})
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return

    async def _page(self, path: str, query: Mapping[str, str]) -> list[Row]:
        request = Request("GET", path, is_repeatable=True, query={**query, "$format": "json"})
        reply, document = await self.http.ask(request)
        results = document.get("d") if isinstance(document, dict) else None
        rows = results.get("results") if isinstance(results, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unreadable(request, reply, "something that is no list of rows")
        return rows

    def _judge(self, reply: Reply) -> Verdict:
        says, codes = _message(reply)
        if codes & self._closed:
            return Verdict(Kind.CLOSED_PERIOD, says or "")
        if codes & self._busy or reply.status in {412, 428}:
            return Verdict(Kind.TRANSIENT, says or "")
        return by_status(reply.status, says)


def _message(reply: Reply) -> tuple[str | None, set[str]]:
    """What Gateway's error document says, and all codes in it; None where the answer is not one."""
    try:
        error = reply.json()["error"]
        message = error["message"]
        inner = error.get("innererror") or {}
        details = [detail for detail in inner.get("errordetails") or [] if isinstance(detail, dict)]
        texts = [str(message["value"]), *(str(detail.get("message", "")) for detail in details)]
        codes = {str(error.get("code", "")), *(str(detail.get("code", "")) for detail in details)}
    except (*UNREADABLE, LookupError, TypeError, AttributeError):
        return None, set()
    return "; ".join(dict.fromkeys(text for text in texts if text)), codes


def literal(text: str) -> str:
    """A text in a filter: quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


def since_literal(moment: datetime) -> str:
    """A moment in a filter on an Edm.DateTimeOffset."""
    return f"datetimeoffset'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def day_literal(day: date) -> str:
    """A day in a filter on an Edm.DateTime."""
    return f"datetime'{day.isoformat()}T00:00:00'"


def instant(value: Any) -> datetime | None:
    """An Edm.DateTimeOffset; None for none. Raises BusinessError for anything else."""
    if not value:
        return None
    match = _DATE.fullmatch(str(value))
    if match is None:
        raise BusinessError(f"SAP gives {value!r} for a time")
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(match[1]))


def local_instant(day: Any, time: Any, zone: str) -> datetime | None:
    """A day (Edm.DateTime) and a time (Edm.Time) of the plant's zone as a moment in UTC; None where there is no day."""
    date_utc = instant(day)
    if date_utc is None:
        return None
    match = _TIME.fullmatch(str(time or "PT0S"))
    if match is None:
        raise BusinessError(f"SAP gives {time!r} for a time of day")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    # A day is its midnight in UTC, whatever the zone that it is meant in.
    moment = date_utc.replace(tzinfo=None) + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC).astimezone(UTC)
