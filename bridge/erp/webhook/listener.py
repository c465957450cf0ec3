"""The receiving end: signed messages of the other side, answered with 204 after they are committed.

A relay's task, with a connection of its own. A message is taken only if it is newer than the last one of its record (see
arrivals), in the transaction that stores what it says: what comes twice, late or replayed turns nothing back.
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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.config.settings.webhook import WebhookSettings
from bridge.erp.webhook import signature
from bridge.erp.webhook.arrivals import Message, read
from bridge.erp.webhook.envelope import MEDIA_TYPE
from bridge.errors import PayloadError
from bridge.model.production import ProductionOrder, ShipmentStatus
from bridge.store import order, shipment, webhook_arrival, work_request
from bridge.store.database import Connection

log = structlog.get_logger()

_LARGEST: Final = 1024 * 1024  # bytes of a message
_MOST_CONNECTIONS: Final = 100  # one more is answered with 503
_PATIENCE_S: Final = 10.0  # for a request to arrive whole
_COME_AGAIN_S: Final = "5"
# Structured mode only; nothing said is taken for it.
_MEDIA_TYPES: Final = frozenset({"", MEDIA_TYPE, "application/json"})
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
        Starlette(routes=routes),
        http="h11",  # bounds what it keeps of a head
        log_level="warning",
        access_log=False,
        lifespan="off",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    with listening:
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            await _first(stop.wait(), receiver.lost.wait(), _close_idle(server))
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
        """204 when it is stored, or known; the other statuses are in docs/connectors/webhook.md."""
        body = await _body(request)
        if isinstance(body, Response):
            return body
        now = datetime.now(UTC)
        if not signature.is_genuine(dict(request.headers), body, self._secrets, now):
            return _refused(401, "the signature is not genuine, or its time is more than 5 minutes off")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES:
            return _refused(415, f"{media_type} is not taken here: send one CloudEvent as {MEDIA_TYPE}")
        try:
            message = read(body, now)
        except PayloadError as error:
            return _refused(400, str(error))
        return await self._answer(message)

    async def _answer(self, message: Message) -> Response:
        try:
            async with self._one_at_a_time:
                await self._store(message)
        except _RefusedError as error:
            return _refused(422, str(error))
        except _TooEarlyError as error:
            return _refused(503, str(error))
        except psycopg.Error as error:
            self.error = error
            self.lost.set()
            return _refused(503, "the database is away")
        return Response(status_code=204)

    async def _store(self, message: Message) -> None:
        """Store what it says, if it is news. Raises _RefusedError or _TooEarlyError, and nothing of it is kept then."""
        connection, arrival = self._connection, message.arrival
        refused: list[tuple[object, str]] = []
        async with connection.transaction():
            if not await webhook_arrival.take(
                connection,
                self._name,
                type_=message.type,
                record=message.record,
                occurred_at=message.occurred_at,
                sequence=message.sequence,
                message_id=message.id,
            ):
                return
            if isinstance(arrival, ProductionOrder):
                refused += await order.upsert(connection, self._name, [arrival])
            elif isinstance(arrival, ShipmentStatus):
                refused += await shipment.upsert(connection, self._name, [arrival])
            elif await webhook_arrival.request_is_on_its_way(connection, self._name, arrival.external_id):
                raise _TooEarlyError("a request is being sent, and its id is not known here yet")
            else:
                await work_request.take_states(connection, self._name, [arrival])
            if refused:
                raise _RefusedError(refused[0][1])


class _RefusedError(Exception):
    """The database does not take what a message says."""


class _TooEarlyError(Exception):
    """A state came before the answer to the request that it is of."""


async def _close_idle(server: uvicorn.Server) -> None:
    """Cut connections that have sent no whole head for a while: uvicorn waits for one without end. Until cancelled."""
    clock = asyncio.get_running_loop().time
    seen: dict[Any, tuple[Any, float]] = {}  # connection -> its last request, and since when it waits for another
    while True:
        waiting = {}
        for connection in list(server.server_state.connections):
            last = getattr(connection, "cycle", None)
            if last is None or last.response_complete:
                before, since = seen.get(connection, (last, clock()))
                waiting[connection] = (last, since if before is last else clock())
        seen = waiting
        for connection, (_, since) in seen.items():
            if clock() - since > _PATIENCE_S:
                connection.transport.abort()
        await asyncio.sleep(_PATIENCE_S / 4)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the relay's."""
        yield


async def _body(request: Request) -> bytes | Response:
    """The message, or why there is none."""
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for part in request.stream():
                body += part
                if len(body) > _LARGEST:
                    return _refused(413, f"a message has at most {_LARGEST} bytes")
    except TimeoutError:
        return _refused(408, f"the message did not arrive within {_PATIENCE_S:g} seconds")
    except ClientDisconnect:
        return _refused(400, "the message did not arrive whole")
    return body


def _refused(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status, {"Retry-After": _COME_AGAIN_S} if status == 503 else None)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Until one of them is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
