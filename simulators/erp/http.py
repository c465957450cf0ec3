"""The ERP over HTTP: `POST /json/2/<model>/<method>`, and beside the contract `/_control/fail` and `/_truth`."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Receive, Scope, Send

# They enter their methods in the table of calls, as the modules that they import do.
import simulators.erp.scrap
import simulators.erp.transfers  # noqa: F401
from simulators.erp.calls import parse_call
from simulators.erp.errors import BrokenServer, ContractError, NotFound, Throttled, Unauthorized, WrongArguments
from simulators.erp.failures import Failure, Failures, Mode
from simulators.erp.store import Store
from simulators.erp.truth import truth

TRANSPORT = "simulators.transport"


class NoAnswerError(Exception):
    """The connection ends without an answer; seen only where there is no connection to end, as in tests."""


@dataclass(slots=True)
class Erp:
    """What a request needs; `now` gives aware UTC."""

    store: Store
    failures: Failures
    key: str
    database: str
    now: Callable[[], datetime]
    requests: Counter[str] = field(default_factory=Counter)

    def truth(self) -> dict[str, Any]:
        """What was really booked."""
        return truth(self.store, self.requests, self.failures)


class FailureOrder(BaseModel):
    """Body of `POST /_control/fail`."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    count: int = Field(1, ge=1, description="how many requests; default 1")
    match: str = Field("", description="part of model/method; default all")
    seconds: float | None = Field(None, ge=0, description="how long to hold, or Retry-After; default by mode")


class NoAnswer(Response):
    """Ends the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection."""
        transport = scope.get(TRANSPORT)
        if transport is None:
            raise NoAnswerError
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            continue


class KnowsItsConnection:
    """Puts uvicorn's transport into the scope, where `NoAnswer` finds it; nothing of ASGI can end a connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, send)


def build_app(erp: Erp) -> ASGIApp:
    """The whole application."""
    api = FastAPI(title="simulated ERP", docs_url=None, redoc_url=None, openapi_url=None)

    @api.post("/json/2/{model}/{method}")
    async def call(model: str, method: str, request: Request) -> Response:
        try:
            return await _answer(erp, model, method, request)
        except ContractError as error:
            return JSONResponse(error.document(), error.status, error.headers())

    @api.get("/_truth")
    async def tell_truth() -> dict[str, Any]:
        return erp.truth()

    @api.get("/_control/fail")
    async def failures() -> dict[str, Any]:
        return {"pending": erp.failures.pending(), "applied": dict(erp.failures.applied)}

    @api.post("/_control/fail")
    async def fail(order: FailureOrder) -> dict[str, Any]:
        erp.failures.order(Failure(order.mode, order.count, order.match, order.seconds))
        return {"pending": erp.failures.pending()}

    @api.delete("/_control/fail")
    async def stop_failing() -> dict[str, Any]:
        erp.failures.clear()
        return {"pending": []}

    return KnowsItsConnection(api)


async def _answer(erp: Erp, model: str, method: str, request: Request) -> Response:
    _let_in(erp, request)
    try:
        body = await request.json()
    except ValueError as error:
        raise WrongArguments(f"the body is no JSON: {error}") from error
    found, call = parse_call(erp.store, model, method, body, erp.now())
    erp.requests[f"{model}/{method}"] += 1
    failure = erp.failures.take(f"{model}/{method}", found.posts)
    if failure is not None and await _fails_before(erp, failure, request):
        return NoAnswer()
    with erp.store.transaction():
        result = found.run(call)
    if failure is not None and failure.mode in ("timeout_after_commit", "drop_after_commit"):
        if failure.mode == "timeout_after_commit":
            await _hold(request, erp.failures.hold_s(failure))
        return NoAnswer()
    return JSONResponse(result)


def _let_in(erp: Erp, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), erp.key.encode()):
        raise Unauthorized("Invalid apikey")
    database = request.headers.get("x-odoo-database", erp.database)
    if database != erp.database:
        raise NotFound(f"database {database!r} does not exist")


async def _fails_before(erp: Erp, failure: Failure, request: Request) -> bool:
    """Apply what comes before the commit; True when the request ends there without an answer."""
    seconds = erp.failures.hold_s(failure)
    if failure.mode == "500":
        raise BrokenServer("could not serialize access due to concurrent update")
    if failure.mode == "429":
        raise Throttled(seconds)
    if failure.mode == "slow":
        await asyncio.sleep(seconds)
    if failure.mode == "timeout_before_commit":
        await _hold(request, seconds)
        return True
    return False


async def _hold(request: Request, seconds: float) -> None:
    """Wait, but no longer than the client does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not await request.is_disconnected():  # noqa: ASYNC110  # nothing tells it
        await asyncio.sleep(min(0.1, max(until - time.monotonic(), 0)))
