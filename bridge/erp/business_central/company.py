"""One company: rows of API pages, and what error documents mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, unreadable
from bridge.erp.http.exchange import UNREADABLE
from bridge.erp.odata import any_of
from bridge.errors import BusinessError

Row = Mapping[str, Any]

SAME_KEY: Final = "Internal_EntityWithSameKeyExists"
LONGEST_NUMBER: Final = 20  # of orders and items (Code); a longer one is none of theirs, and refused in a filter
LONGEST_CODE: Final = 10  # of locations
_CODED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CHANGED: Final = "Request_EntityChanged"
# Pages may be served from a replica that is behind: what was posted a moment ago would not be found there, and posted again.
_QUESTION: Final = {"Data-Access-Intent": "ReadWrite", "Prefer": "odata.maxpagesize=500"}
_MOST_PAGES: Final = 2000


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
        """All rows that meet a filter (empty: all), in the server's own pages."""
        found: list[Row] = []
        query: Mapping[str, str] | None = {**_filter(expression), "$orderby": order}
        for _ in range(_MOST_PAGES):
            if query is None:
                return found
            page, query = await self._page(path, query)
            found += page
        raise BusinessError(f"Business Central has more than {_MOST_PAGES} pages of {path}: that are too many to read")

    async def rows_of(self, path: str, field: str, values: Iterable[str], *rest: str, order: str) -> list[Row]:
        """All rows of which a field is one of the values and `rest` holds; as many questions as the length of addresses asks for."""
        found: list[Row] = []
        for expression in any_of(field, values, *rest):
            found += await self.rows(path, expression, order=order)
        return found

    async def first(self, path: str, expression: str) -> Row | None:
        """One row that meets a filter, or None."""
        found, _ = await self._page(path, {**_filter(expression), "$top": "1"})
        return found[0] if found else None

    async def _page(self, path: str, query: Mapping[str, str]) -> tuple[list[Row], Mapping[str, str] | None]:
        """The rows of a page, and the query of the next one; None behind the last."""
        request = Request("GET", path, is_repeatable=True, query=query, headers=_QUESTION)
        reply, answer = await self.http.ask(request)
        rows = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unreadable(request, reply, "something that is no list of rows")
        link = answer.get("@odata.nextLink")
        if not link:
            return rows, None
        # Only the query: the link may name another host than the one that answers us.
        following = dict(parse_qsl(urlsplit(str(link)).query))
        if not rows or not following or following == dict(query):
            raise unreadable(request, reply, "a page that leads nowhere")
        return rows, following

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


def words(value: Any) -> str:
    """An enumeration's value as people write it: what is no letter or digit stands coded in an answer (`Firm_x0020_Planned`)."""
    return _CODED.sub(lambda match: chr(int(match[1], 16)), str(value))


def changed(since: datetime | None) -> str:
    """The filter for what changed at or after a moment; empty: all."""
    return "" if since is None else f"lastModifiedDateTime ge {since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _filter(expression: str) -> dict[str, str]:
    return {"$filter": expression} if expression else {}
