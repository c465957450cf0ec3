"""Any of the systems over real sockets, with failures on purpose and its truth beside the contract.

`/_control/fail` orders failures (simulators/erp/failures.py lists them), `/_truth` tells what was booked. A request is
worked on at once and in one piece, as a transaction is; a failure strikes before it or after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulators.erp.failures import Failure, Failures
from simulators.erp.http import KnowsItsConnection, NoAnswer
from simulators.systems.business import Business

_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class System(Protocol):
    """One contract. `root` is the part of the address before what calls are named by."""

    root: str
    business: Business

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Work on a request; `path` is below the root, without a leading slash. Never raises for what a client may send."""
        ...

    def broken(self) -> Response:
        """The system's own words for a failure inside, after a rollback."""
        ...

    def throttled(self, seconds: float) -> Response:
        """The system's own words for too many requests, with Retry-After."""
        ...

    def truth(self) -> dict[str, Any]:
        """What was really booked."""
        ...


def build_app(system: System, failures: Failures) -> ASGIApp:
    """The system with its levers."""

    async def serve(request: Request) -> Response:
        body = await request.body()
        path = request.url.path.removeprefix(system.root).lstrip("/")
        failure = failures.take(_named(request, system.root), posts=request.method != "GET")
        if failure is not None and (early := await _before(system, failures, failure, request)) is not None:
            return early
        answer = system.answer(request, path, body)
        if failure is not None and failure.mode in ("timeout_after_commit", "drop_after_commit"):
            if failure.mode == "timeout_after_commit":
                await _hold(request, failures.hold_s(failure))
            return NoAnswer()
        return answer

    async def fail(request: Request) -> Response:
        if request.method == "POST":
            order = await request.json()
            failures.order(Failure(order["mode"], order.get("count", 1), order.get("match", ""), order.get("seconds")))
        elif request.method == "DELETE":
            failures.clear()
        return JSONResponse({"pending": failures.pending(), "applied": dict(failures.applied)})

    async def truth(_: Request) -> Response:
        return JSONResponse(system.truth())

    routes = [
        Route("/_control/fail", fail, methods=["GET", "POST", "DELETE"]),
        Route("/_truth", truth),
        Route("/{path:path}", serve, methods=_METHODS),
    ]
    return KnowsItsConnection(Starlette(routes=routes))


def _named(request: Request, root: str) -> str:
    """A call as failures are ordered for it: by its path below the root, or by its whole address."""
    path = str(request.scope["path"])
    below = path.removeprefix(root).lstrip("/")
    return f"{request.method} {below}\n{request.method} {request.base_url}{path.lstrip('/')}"


async def _before(system: System, failures: Failures, failure: Failure, request: Request) -> Response | None:
    """What comes before the commit; the answer with which the request ends there, or None."""
    seconds = failures.hold_s(failure)
    match failure.mode:
        case "500":
            return system.broken()
        case "429":
            return system.throttled(seconds)
        case "slow":
            await asyncio.sleep(seconds)
        case "timeout_before_commit":
            await _hold(request, seconds)
            return NoAnswer()
        case _:
            pass
    return None


async def _hold(request: Request, seconds: float) -> None:
    """Wait, but no longer than the client does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not await request.is_disconnected():  # noqa: ASYNC110  # nothing tells it
        await asyncio.sleep(min(0.05, max(until - time.monotonic(), 0)))


class QuietServer(uvicorn.Server):
    """Leaves signals to the program that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def server(app: ASGIApp, host: str, port: int) -> QuietServer:
    """A server of the application, not started yet."""
    return QuietServer(
        uvicorn.Config(
            app, host, port, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )


def document(body: bytes) -> Any:
    """A JSON body; None where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
