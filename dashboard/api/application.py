"""The whole application: routes, live feed, pages, and the guard around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from fastapi import FastAPI
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from dashboard.api import alarm_load, erp, erp_steps, health, history, login, operators, routes, static, tickets
from dashboard.api.guard import Guard, content_security_policy
from dashboard.api.live import socket
from dashboard.api.live.frames import Frames
from dashboard.api.tower import Tower
from dashboard.control_tower import pages


def build(tower: Tower, frames: Frames) -> ASGIApp:
    """An ASGI application over a tower whose pool somebody else opens and closes."""
    api = FastAPI(
        title=f"amor, {tower.settings.plant.name}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    api.state.tower = tower
    api.state.frames = frames
    for part in (login, routes, operators, tickets, erp, erp_steps, alarm_load, history, health, static, socket):
        api.include_router(part.router)
    # Dash answers every other address with its page: what looks like the API must say that it is not there.
    api.add_api_route(
        "/api/{rest:path}", _not_found, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    for away in (psycopg.OperationalError, PoolTimeout):
        api.add_exception_handler(away, _store_is_away)
    dash = pages.build(api, tower)
    return Guard(api, tower.sessions, tower.settings.dashboard.allowed_origins, _policy(dash.csp_hashes))


def _policy(script_hashes: Callable[[], Any]) -> Callable[[], str]:
    """The policy, made at the first answer: Dash knows its inline scripts only then."""
    made: list[str] = []

    def policy() -> str:
        if not made:
            made.append(content_security_policy(script_hashes()))
        return made[0]

    return policy


async def _not_found(rest: str) -> JSONResponse:
    return JSONResponse({"detail": f"no such address: /api/{rest}"}, 404)


async def _store_is_away(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the database does not answer"}, 503, {"retry-after": "2"})
