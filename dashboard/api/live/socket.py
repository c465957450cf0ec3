"""One client's connection: `/ws/v1/live?window=shift&machines=3,4`.

The guard has checked session and origin of the handshake. The client may say `{"type": "subscribe", "window": ..., "machines": ...}`
at any time and gets the whole state for it. A session that ends closes its sockets within half a minute, with code 4401.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import orjson
import psycopg
import structlog
from fastapi import APIRouter
from psycopg_pool import PoolTimeout
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.api.guard import UNAUTHORIZED_CLOSE
from dashboard.api.live.frames import Frames
from dashboard.api.live.hub import Client
from dashboard.api.sessions import Sessions, StoreIsAway, token_of
from dashboard.api.tower import Tower
from dashboard.api.window import WindowName

log = structlog.get_logger()
router: Final = APIRouter()

_RECHECK_S: Final = 30.0
_RETRY_S: Final = 1.0
_MOST_MACHINES: Final = 1000
_BAD_MESSAGE_CLOSE: Final = 1008


class _SessionIsOver(Exception):  # control flow with a stated effect: the socket closes
    pass


@router.websocket("/ws/v1/live")
async def live(socket: WebSocket) -> None:
    """Serve one client until it leaves, does not read, says nonsense, or its session ends."""
    tower = cast("Tower", socket.app.state.tower)
    await socket.accept()
    try:
        client = _client(dict(socket.query_params))
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(tower, socket, client))
            group.create_task(_receive(socket, client))
            group.create_task(_recheck(tower.sessions, socket))
    except* WebSocketDisconnect:
        log.debug("a client left")
    except* TimeoutError:
        log.warning("dropped a client that does not read", client=socket.client and socket.client.host)
        await _close(socket, 1013)
    except* _SessionIsOver:
        await _close(socket, UNAUTHORIZED_CLOSE)
    except* (ValueError, TypeError):
        await _close(socket, _BAD_MESSAGE_CLOSE)


async def _serve(tower: Tower, socket: WebSocket, client: Client) -> None:
    frames = cast("Frames", socket.app.state.frames)

    async def send(frame: bytes) -> None:
        try:
            await socket.send_text(frame.decode())
        except RuntimeError as error:  # starlette's word for a socket that is closed already
            raise WebSocketDisconnect from error

    async def resync(client: Client) -> list[bytes]:
        return await _snapshot(tower, frames, client)

    await send(_hello(tower, socket))
    await tower.hub.serve(client, send, resync)


def _hello(tower: Tower, socket: WebSocket) -> bytes:
    me = socket.state.account
    return orjson.dumps(
        {
            "type": "hello",
            "seq": tower.hub.seq,
            "server_time": datetime.now(UTC),
            "plant": tower.settings.plant.name,
            "time_zone": tower.settings.plant.time_zone,
            "login": me.login,
            "role": me.role,
        }
    )


async def _snapshot(tower: Tower, frames: Frames, client: Client) -> list[bytes]:
    """The whole state, read after the client was listed: what comes meanwhile waits behind it and is told apart by `seq`.

    While the database is away there is no state: the heartbeat goes on, and the follower asks for a resync when it is back.
    """
    seq = tower.hub.seq
    try:
        async with tower.pool.connection(timeout=_RETRY_S) as connection:
            content = await frames.snapshot(connection, client.window)
    except (psycopg.Error, PoolTimeout):
        return []
    return [orjson.dumps({"type": "snapshot", "seq": seq, "server_time": datetime.now(UTC), **content})]


async def _receive(socket: WebSocket, client: Client) -> None:
    while True:
        message = orjson.loads(await socket.receive_text())
        if not isinstance(message, dict):
            raise TypeError("a message is an object")
        if message.get("type") == "subscribe":
            _subscribe(client, message)
            client.ask_resync()


async def _recheck(sessions: Sessions, socket: WebSocket) -> None:
    token = token_of(socket.headers)
    while True:
        await asyncio.sleep(_RECHECK_S)
        try:
            if await sessions.find(token) is None:
                raise _SessionIsOver
        except StoreIsAway:
            continue


def _client(parameters: Mapping[str, str]) -> Client:
    client = Client(WindowName.SHIFT)
    machines = parameters.get("machines")
    wanted = [int(number) for number in machines.split(",")] if machines else None
    _subscribe(client, {"window": parameters.get("window", WindowName.SHIFT), "machines": wanted})
    return client


def _subscribe(client: Client, wanted: Mapping[str, Any]) -> None:
    client.window = WindowName(wanted.get("window", client.window))
    machines = wanted.get("machines")
    client.machines = None if machines is None else frozenset(int(number) for number in machines[:_MOST_MACHINES])


async def _close(socket: WebSocket, code: int) -> None:
    try:
        async with asyncio.timeout(1):
            await socket.close(code)
    except (RuntimeError, TimeoutError, WebSocketDisconnect):
        return
