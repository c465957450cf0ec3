"""Who is behind a cookie: sessions on the server, looked up once in a few seconds."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import Final

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.datastructures import Headers

from bridge.store import account
from bridge.store.account import Account
from bridge.store.database import Connection

log = structlog.get_logger()

COOKIE: Final = "amor_session"
# A revoked session still opens doors for this long in other processes than the one that revoked it.
_FRESH_S: Final = 5.0
# While the database is away, who was logged in stays so for this long, to see that all is stale and why.
_OUTAGE_S: Final = 600.0
_MOST: Final = 10_000


class StoreIsAway(Exception):  # it is a state of the world, told as one
    """The session cannot be looked up now."""


@dataclass(slots=True)
class _Known:
    account: Account | None
    looked_up: float


class Sessions:
    """Sessions by their token, with a bounded memory of the newest look-ups."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def find(self, token: str | None) -> Account | None:
        """Whose session it is, at most 5 s old. Raises StoreIsAway where the database is away and nothing is known."""
        if not token:
            return None
        key, now = account.digest(token), time.monotonic()
        known = self._known.get(key)
        if known and now - known.looked_up < _FRESH_S:
            return known.account
        try:
            async with self._pool.connection(timeout=2) as connection:
                found = await account.find_session(connection, token, datetime.now(UTC))
        except (psycopg.OperationalError, PoolTimeout) as error:
            if known and now - known.looked_up < _OUTAGE_S:
                return known.account
            raise StoreIsAway from error
        self._remember(key, found, now)
        return found

    def forget(self, token: str) -> None:
        """Look this one up anew the next time."""
        self._known.pop(account.digest(token), None)

    def _remember(self, key: bytes, found: Account | None, now: float) -> None:
        self._known[key] = _Known(found, now)
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)


def token_of(headers: Headers) -> str | None:
    """The session's token in a request's cookies."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None
