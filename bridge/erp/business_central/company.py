"""One company: rows of API pages, and what error documents mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, unreadable
from bridge.erp.http.exchange import UNREADABLE

Row = Mapping[str, Any]

SAME_KEY: Final = "Internal_EntityWithSameKeyExists"
_CHANGED: Final = "Request_EntityChanged"
_PAGE: Final = 500


class Company:
    """The pages of one company. `async with http` opens and closes its connections."""

    def __init__(self, settings: BusinessCentralSettings) -> None:
        self._settings = settings
        self._closed = [part.lower() for part in settings.closed_messages]
        self.http = HttpClient(settings, self._judge)

    def own(self, page: str) -> str:
        """The path of a page of the tenant's own."""
        return f"{self._settings.pages}/companies({self._settings.company})/{page}"

    def standard(self, page: str) -> str:
        """The path of a page of API v2.0."""
        return f"v2.0/companies({self._settings.company})/{page}"

    async def rows(self, path: str, expression: str, *, order: str) -> list[Row]:
        """All rows that meet a filter (empty: all), sorted so that pages of the answer do not overlap."""
        found: list[Row] = []
        while True:
            page = await self._page(path, expression, {"$orderby": order, "$top": str(_PAGE), "$skip": str(len(found))})
            found += page
            if len(page) < _PAGE:
                return found

    async def first(self, path: str, expression: str) -> Row | None:
        """One row that meets a filter, or None."""
        found = await self._page(path, expression, {"$top": "1"})
        return found[0] if found else None

    async def _page(self, path: str, expression: str, query: Mapping[str, str]) -> list[Row]:
        wanted = {"$filter": expression, **query} if expression else query
        request = Request("GET", path, is_repeatable=True, query=wanted)
        reply, answer = await self.http.ask(request)
        rows = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unreadable(request, reply, "something that is no list of rows")
        return rows

    def _judge(self, reply: Reply) -> Verdict:
        code, says = message(reply)
        if says is not None and any(part in says.lower() for part in self._closed):
            return Verdict(Kind.CLOSED_PERIOD, says)
        if code == _CHANGED or reply.status == 412:
            return Verdict(Kind.TRANSIENT, says or "")
        return by_status(reply.status, says)


def message(reply: Reply) -> tuple[str, str | None]:
    """Code and message of an error document; None where the answer is not one."""
    try:
        error = reply.json()["error"]
        return str(error["code"]), str(error["message"])
    except (*UNREADABLE, LookupError, TypeError):
        return "", None


def literal(text: str) -> str:
    """A text in a filter: quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


def changed(since: datetime | None) -> str:
    """The filter for what changed at or after a moment; empty: all."""
    return "" if since is None else f"lastModifiedDateTime ge {since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
