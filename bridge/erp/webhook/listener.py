"""The receiving end: signed messages of the other side, answered with 204 after they are committed.

A relay's task, with a connection of its own. The same message again stores the same again, so that nothing has to remember
`webhook-id`s; the sender keeps the order of its messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.config.settings.webhook import WebhookSettings
from bridge.erp.webhook import signature
from bridge.erp.webhook.arrivals import Arrival, read
from bridge.errors import PayloadError
from bridge.model.production import ProductionOrder, ShipmentStatus
from bridge.store import order, shipment, work_request
from bridge.store.database import Connection

log = structlog.get_logger()

_LARGEST: Final = 1024 * 1024  # bytes of a message
_PORT_TAKEN: Final = timedelta(seconds=15)  # until another relay may have left it


async def receive(table: WebhookSettings, connection: Connection, stop: asyncio.Event) -> None:
    """Take messages until `stop`. Raises psycopg errors where the database goes away; the senders get 503 and come again."""
    try:
        listening = socket.create_server((table.listen_host, table.listen_port))
    except OSError as error:
        log.warning("cannot listen, trying again", connector=table.name, port=table.listen_port, reason=str(error))
        await _first(stop.wait(), asyncio.sleep(_PORT_TAKEN.total_seconds()))
        return
    receiver = _Receiver(table, connection)
    routes = [Route("/", receiver.take, methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    with listening:
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            await _first(stop.wait(), receiver.lost.wait())
        finally:
            server.should_exit = True
            await serving
    if receiver.error is not None:
        raise receiver.error


class _Receiver:
    """One message at a time on one connection."""

    def __init__(self, table: WebhookSettings, connection: Connection) -> None:
        self._name = table.name
        self._secrets = [secret.get_secret_value() for secret in table.secrets]
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self.lost = asyncio.Event()
        self.error: psycopg.Error | None = None

    async def take(self, request: Request) -> Response:
        """204 when it is stored; 401 for a wrong signature, 400 for what is no record, 503 while the database is away."""
        body = await _bounded(request)
        if body is None:
            return _refused(413, f"a message has at most {_LARGEST} bytes")
        if not signature.is_genuine(dict(request.headers), body, self._secrets, datetime.now(UTC)):
            return _refused(401, "the signature is not genuine, or its time is more than 5 minutes off")
        try:
            record = read(body)
        except PayloadError as error:
            return _refused(400, str(error))
        try:
            async with self._one_at_a_time:
                refused = await self._store(record)
        except psycopg.Error as error:
            self.error = error
            self.lost.set()
            return _refused(503, "the database is away")
        return _refused(422, refused) if refused else Response(status_code=204)

    async def _store(self, record: Arrival) -> str:
        """Why the database does not take it; empty: it did."""
        refused: list[tuple[object, str]] = []
        async with self._connection.transaction():
            if isinstance(record, ProductionOrder):
                refused += await order.upsert(self._connection, self._name, [record])
            elif isinstance(record, ShipmentStatus):
                refused += await shipment.upsert(self._connection, self._name, [record])
            else:
                await work_request.take_states(self._connection, self._name, [record])
        return refused[0][1] if refused else ""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the relay's."""
        yield


async def _bounded(request: Request) -> bytes | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            return None
    return body


def _refused(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until one of them is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
