"""A receiver of webhooks that answers after a while and looks at the order within each subject; a process of its own.

    python -m bridge.cli.bench.answerer PORT MILLISECONDS

`GET /seen` answers {"events": n, "repeated": n, "out_of_order": n}. It knows HTTP/1.1 only as far as the bench needs.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import orjson

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Answerer:
    """What was seen of each subject: the newest sequence."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._newest: dict[str, int] = {}
        self._seen = {"events": 0, "repeated": 0, "out_of_order": 0}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    answer = orjson.dumps(self._seen)
                else:
                    self._take(await reader.readexactly(_length(head)))
                    await asyncio.sleep(self._wait_s)
                    answer = b"{}"
                writer.write(_OK % (len(answer), answer))
        writer.close()

    def _take(self, body: bytes) -> None:
        event = orjson.loads(body)
        sequence, newest = event["data"]["sequence"], self._newest.get(event["subject"], 0)
        self._newest[event["subject"]] = max(sequence, newest)
        kind = "events" if sequence == newest + 1 else "repeated" if sequence == newest else "out_of_order"
        self._seen[kind] += 1


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def main(port: int, milliseconds: float) -> None:
    """Serve until killed; says so when it listens."""
    server = await asyncio.start_server(Answerer(milliseconds / 1000).talk, "127.0.0.1", port, backlog=1000)
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
