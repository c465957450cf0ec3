"""OData V2 as SAP Gateway speaks it: literals, dates, pages of rows, and what its error documents mean.

A quantity is Edm.Decimal, which is a string in JSON: it never passes a binary fraction.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, unreadable
from bridge.erp.http.csrf import CsrfToken
from bridge.erp.http.exchange import UNREADABLE
from bridge.erp.odata import literal
from bridge.errors import BusinessError

Row = Mapping[str, Any]

# Any service gives a token for all; this one is small.
_ANY_SERVICE: Final = "API_PRODUCTION_ORDER_2_SRV/"
_PAGE: Final = 500
_OUTDATED: Final = "/IWBEP/CM_COS/005"  # the RequestID was carried out, and its answer is not kept any more
_MOST_PAGES: Final = 2000
_DATE: Final = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/")
_TIME: Final = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


class Draft(NamedTuple):
    """A document to be posted: what people call the step, the key that the document carries, and its request."""

    name: str
    key: uuid.UUID
    request: Request


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
        found, _ = await self._page(path, {**query, "$top": "1"})
        return found[0] if found else None

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Row]:
        """Row by row; a page of theirs may be shorter than ours, and then says that there are more (`__next`)."""
        first = 0
        for _ in range(_MOST_PAGES):
            rows, is_last = await self._page(path, {**query, "$top": str(_PAGE), "$skip": str(first)})
            for row in rows:
                yield row
            first += len(rows)
            if is_last and len(rows) < _PAGE:
                return
        raise BusinessError(f"SAP has more than {_MOST_PAGES} pages of {path}: that are too many to read")

    async def _page(self, path: str, query: Mapping[str, str]) -> tuple[list[Row], bool]:
        request = Request("GET", path, is_repeatable=True, query={**query, "$format": "json"})
        reply, document = await self.http.ask(request)
        results = document.get("d") if isinstance(document, dict) else None
        rows = results.get("results") if isinstance(results, dict) else None
        if results is None or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unreadable(request, reply, "something that is no list of rows")
        is_last = not results.get("__next")
        if not rows and not is_last:
            raise unreadable(request, reply, "an empty page that is not the last")
        return rows, is_last

    def _judge(self, reply: Reply) -> Verdict:
        says, codes = _message(reply)
        if codes & self._closed:
            return Verdict(Kind.CLOSED_PERIOD, says or "")
        if _OUTDATED in codes:
            return Verdict(Kind.UNKNOWN, says or "")
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


def fitting(what: str, text: str, longest: int) -> str:
    """A text for a field of so many characters. Raises BusinessError for a longer one: SAP would refuse it, or cut it off."""
    if len(text) > longest:
        raise BusinessError(f"{what}: {text!r} is longer than SAP's {longest} characters")
    return text


def since_literal(moment: datetime) -> str:
    """A moment in a filter on an Edm.DateTimeOffset."""
    return f"datetimeoffset'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def stamp_literal(moment: datetime, zone: str) -> str:
    """A moment in a filter on a text of 14 digits, of which SAP does not say whether it is UTC or the system's own zone.

    The earlier of the two: what is read too often is read twice, what is left out is lost.
    """
    return literal(min(f"{moment.astimezone(where):%Y%m%d%H%M%S}" for where in (UTC, ZoneInfo(zone or "UTC"))))


def day_literal(day: date) -> str:
    """A day in a filter on an Edm.DateTime."""
    return f"datetime'{day.isoformat()}T00:00:00'"


def expanded(row: Row, name: str) -> list[Row]:
    """The rows behind an association to many. Raises BusinessError where the answer does not have them."""
    rows = row[name].get("results") if isinstance(row.get(name), dict) else None
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise BusinessError(f"SAP gives a row without its {name}")
    return rows


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
