"""The hub between one follower and many clients. A frame is serialised once; a slow client holds up nobody.

Two kinds of frames, each with a topic:

- *states* (KPIs, machines, heartbeat) may be conflated: per client the newest of a topic waits, the older is replaced.
- *events* (alarm changes, tickets, points) wait in order in a bounded queue of each client. A client whose queue is full has its
  events dropped and is given the whole state anew: `resync` is called for it before anything else goes out.

A frame that cannot be sent within the timeout ends the client: its buffers are full and it does not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

_QUEUE: Final = 2000
_SEND_TIMEOUT_S: Final = 5.0

Send = Callable[[bytes], Awaitable[None]]
Resync = Callable[["Client"], Awaitable[list[bytes]]]


class Client:
    """One listener and what waits for it. `window` and `machines` are what it asked for; machines None: all."""

    def __init__(self, window: str, queue: int = _QUEUE) -> None:
        self.window = window
        self.machines: frozenset[int] | None = None
        self.needs_resync = True
        self._states: dict[str, bytes] = {}
        self._events: deque[bytes] = deque()
        self._queue = queue
        self._something = asyncio.Event()
        self._something.set()

    def wants(self, window: str | None, machine: int | None) -> bool:
        """Whether a frame of a window or a machine is for this client."""
        if window is not None and window != self.window:
            return False
        return machine is None or self.machines is None or machine in self.machines

    def put_state(self, topic: str, frame: bytes) -> bool:
        """Let a state wait; returns whether it replaced an older one."""
        replaced = topic in self._states
        self._states[topic] = frame
        self._something.set()
        return replaced

    def put_event(self, frame: bytes) -> bool:
        """Let an event wait; returns False where the queue was full, so that the client needs the whole state."""
        if len(self._events) >= self._queue:
            self.ask_resync()
            return False
        self._events.append(frame)
        self._something.set()
        return True

    def ask_resync(self) -> None:
        """Have the whole state sent next. What waits is dropped, as the state holds it."""
        self._events.clear()
        self._states.clear()
        self.needs_resync = True
        self._something.set()

    async def wait(self) -> None:
        """Until there is something to send."""
        await self._something.wait()

    def take(self) -> list[bytes]:
        """All that waits: events in order, then states."""
        self._something.clear()
        frames = [*self._events, *self._states.values()]
        self._events.clear()
        self._states.clear()
        return frames


class Hub:
    """All clients. `seq` numbers the frames, so that a client can tell which of them its snapshot holds already."""

    def __init__(self, send_timeout_s: float = _SEND_TIMEOUT_S) -> None:
        self._clients: set[Client] = set()
        self._send_timeout_s = send_timeout_s
        self.seq = 0
        self.frames_queued = 0
        self.frames_conflated = 0
        self.resyncs = 0
        self.clients_dropped = 0

    @property
    def client_count(self) -> int:
        """How many are connected."""
        return len(self._clients)

    @property
    def windows(self) -> set[str]:
        """The windows that somebody looks at."""
        return {client.window for client in self._clients}

    def numbered(self, frame_type: str, content: dict[str, Any]) -> bytes:
        """Serialise a frame with the next number."""
        self.seq += 1
        return orjson.dumps({"type": frame_type, "seq": self.seq, **content})

    def publish_state(
        self, frame_type: str, content: dict[str, Any], *, window: str | None = None, machine: int | None = None
    ) -> None:
        """Give the newest state of a topic to those who want it."""
        frame = self.numbered(frame_type, content)
        topic = f"{frame_type}:{machine}"
        for client in self._clients:
            if client.wants(window, machine):
                self.frames_queued += 1
                self.frames_conflated += client.put_state(topic, frame)

    def publish_event(self, frame_type: str, content: dict[str, Any], *, machine: int | None = None) -> None:
        """Give an event to those who want it, in order."""
        frame = self.numbered(frame_type, content)
        for client in self._clients:
            if client.wants(None, machine):
                self.frames_queued += 1
                client.put_event(frame)

    def ask_resync(self) -> None:
        """Have the whole state sent to everybody, after changes may have been missed."""
        for client in self._clients:
            client.ask_resync()

    async def serve(self, client: Client, send: Send, resync: Resync) -> None:
        """Send to one client until it is cancelled or does not read. Raises TimeoutError for the latter."""
        self._clients.add(client)
        try:
            while True:
                await client.wait()
                if client.needs_resync:
                    # Frames that are published while the state is being read wait behind it.
                    client.needs_resync = False
                    self.resyncs += 1
                    frames = await resync(client)
                    frames += client.take()
                else:
                    frames = client.take()
                for frame in frames:
                    await self._send(send, frame)
        finally:
            self._clients.discard(client)

    async def _send(self, send: Send, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await send(frame)
        except TimeoutError:
            self.clients_dropped += 1
            raise
