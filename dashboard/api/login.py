"""Logging in and out. Who fails five times within a minute waits; every try is in the audit trail."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response

from bridge.store import account
from dashboard.api.models import Credentials, Me
from dashboard.api.sessions import COOKIE, token_of
from dashboard.api.tower import TheAccount, TheTower, Tower

router: Final = APIRouter(prefix="/api/v1", tags=["login"])


@router.post("/login")
async def log_in(credentials: Credentials, request: Request, response: Response, tower: TheTower) -> Me:
    """Open a session. 401 for a wrong login or password, 429 after too many of them."""
    address = request.client.host if request.client else ""
    _check_throttle(tower, credentials.login, address)
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        found = await account.verify(connection, credentials.login, credentials.password)
        if found is None:
            _note_failure(tower, credentials.login, address)
            await account.write_audit(connection, credentials.login.lower(), "login failed", address, now)
            raise HTTPException(401, "wrong login or password")
        lifetime = timedelta(hours=tower.settings.dashboard.session_h)
        async with connection.transaction():
            token = await account.open_session(connection, found, now, lifetime)
            await account.write_audit(connection, found.login, "login", address, now)
    tower.by_login.succeeded(found.login)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=tower.settings.dashboard.secure_cookie,
    )
    return Me(login=found.login, role=found.role)


@router.post("/logout", status_code=204)
async def log_out(request: Request, response: Response, tower: TheTower, me: TheAccount) -> None:
    """End the session."""
    token = token_of(request.headers)
    if token:
        now = datetime.now(UTC)
        async with tower.pool.connection() as connection, connection.transaction():
            await account.revoke_session(connection, token, now)
            await account.write_audit(connection, me.login, "logout", "", now)
        tower.sessions.forget(token)
    response.delete_cookie(COOKIE)


@router.get("/me")
async def who_am_i(me: TheAccount) -> Me:
    """Who is logged in; 401 for nobody."""
    return Me(login=me.login, role=me.role)


def _check_throttle(tower: Tower, login: str, address: str) -> None:
    now = time.monotonic()
    wait_s = max(tower.by_login.wait_s(login.lower(), now), tower.by_address.wait_s(address, now))
    if wait_s > 0:
        raise HTTPException(
            429, f"too many failed logins, try again in {ceil(wait_s)} s", headers={"retry-after": str(ceil(wait_s))}
        )


def _note_failure(tower: Tower, login: str, address: str) -> None:
    now = time.monotonic()
    tower.by_login.failed(login.lower(), now)
    tower.by_address.failed(address, now)
