"""Logging in and out. Who fails five times within a minute waits; every try is in the audit trail."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

import psycopg
from fastapi import APIRouter, HTTPException, Request, Response
from psycopg_pool import PoolTimeout

from bridge.store import account
from dashboard.api.discreet import Discreet
from dashboard.api.models import Credentials, Me
from dashboard.api.sessions import COOKIE, token_of
from dashboard.api.tower import TheAccount, TheTower, Tower

router: Final = APIRouter(prefix="/api/v1", tags=["login"], route_class=Discreet)


@router.post("/login")
async def log_in(credentials: Credentials, request: Request, response: Response, tower: TheTower) -> Me:
    """Open a session. 401 for a wrong login or password, 422 for what is none, 429 after too many wrong ones."""
    if not credentials.login.isprintable():
        raise HTTPException(422, "the login has characters that no login has")
    address = request.client.host if request.client else ""
    tried_at = time.monotonic()
    _check_throttle(tower, credentials.login, address, tried_at)
    tower.by_login.tried(credentials.login.lower(), tried_at)
    tower.by_address.tried(address, tried_at)
    try:
        found, token = await _open_session(tower, credentials, address)
    except (psycopg.OperationalError, PoolTimeout):
        _take_back(tower, credentials.login, address, tried_at)  # nobody looked at the password
        raise
    _take_back(tower, credentials.login, address, tried_at)
    tower.by_login.succeeded(credentials.login.lower())
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(_lifetime(tower).total_seconds()),
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


async def _open_session(tower: Tower, credentials: Credentials, address: str) -> tuple[account.Account, str]:
    """Whose session it is, and its token; no connection is held while the password is verified."""
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        locked = await account.find_locked(connection, credentials.login)
    found = await account.unlock(locked, credentials.password)
    async with tower.pool.connection() as connection, connection.transaction():
        if found is not None:
            token = await account.open_session(connection, found, now, _lifetime(tower))
            await account.write_audit(connection, found.login, "login", address, now)
            return found, token
        await account.write_audit(connection, credentials.login.lower(), "login failed", address, now)
    raise HTTPException(401, "wrong login or password")


def _lifetime(tower: Tower) -> timedelta:
    return timedelta(hours=tower.settings.dashboard.session_h)


def _check_throttle(tower: Tower, login: str, address: str, now: float) -> None:
    wait_s = max(tower.by_login.wait_s(login.lower(), now), tower.by_address.wait_s(address, now))
    if wait_s > 0:
        raise HTTPException(
            429, f"too many failed logins, try again in {ceil(wait_s)} s", headers={"retry-after": str(ceil(wait_s))}
        )


def _take_back(tower: Tower, login: str, address: str, tried_at: float) -> None:
    tower.by_login.take_back(login.lower(), tried_at)
    tower.by_address.take_back(address, tried_at)
