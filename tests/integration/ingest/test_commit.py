"""A commit whose answer never comes: written once, counted once, numbered once."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.ingest import metrics
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    eventually,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    subscribed,
    until,
)

COUNT = "select count(*) from reading"


class CuttingProxy:
    """Stands between the bridge and the database, and cuts the connection at a COMMIT: after the server has carried it out,
    or before it sees it.
    """

    def __init__(self, dsn: str) -> None:
        target = conninfo_to_dict(dsn)
        self._target = (str(target["host"]), int(str(target["port"])))
        self._dsn = dsn
        self._server: asyncio.Server
        self.cut: str | None = None
        self.cut_question = False
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def dsn(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return make_conninfo(self._dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        answers = asyncio.create_task(self._forward(server_reader, writer))
        try:
            while content := await reader.read(65536):
                if self.cut and b"COMMIT" in content:
                    answers.cancel()
                    self.cuts += 1
                    cut, self.cut = self.cut, None
                    if cut == "after":
                        server_writer.write(content)
                        await server_reader.read(65536)
                    break
                if self.cut_question and b"pg_xact_status" in content:
                    self.cut_question = False
                    self.cuts += 1
                    break
                server_writer.write(content)
        finally:
            answers.cancel()
            writer.transport.abort()
            server_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            writer.write(content)


@pytest.mark.parametrize("cut", ["after", "before"])
async def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(database_dsn, broker, cut):
    name = f"cut{cut}"
    retries = metrics.RETRIES.labels(name)
    async with CuttingProxy(database_dsn) as proxy:
        settings = mqtt_settings(proxy.dsn, broker.url, name)
        with publishing(broker.url) as publisher:
            async with running(settings):
                await subscribed(database_dsn)
                publisher.send(f"{name}/m1/tag/a", {"value": 0, "ts": EPOCH_MS})
                await until(database_dsn, COUNT, lambda n: n == 1)
                proxy.cut = cut
                for n in range(1, 20):
                    publisher.send(f"{name}/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
                await until(database_dsn, COUNT, lambda n: n == 20)
                await eventually(lambda: proxy.cuts == 1 and retries._value.get() >= 1)
                publisher.send(f"{name}/m1/tag/a", {"value": 20, "ts": EPOCH_MS + 20})
                await until(database_dsn, COUNT, lambda n: n == 21)
    assert await query(database_dsn, "select sum(rows), sum(duplicates) from batch") == [(21, 0)]
    assert await scalar(database_dsn, "select count(*) = max(seq) and min(seq) = 1 from batch")
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0


async def test_a_commit_is_not_repeated_where_the_question_after_it_fails_as_well(database_dsn, broker):
    async with CuttingProxy(database_dsn) as proxy:
        settings = mqtt_settings(proxy.dsn, broker.url, "cuttwice")
        with publishing(broker.url) as publisher:
            async with running(settings):
                await subscribed(database_dsn)
                publisher.send("cuttwice/m1/tag/a", {"value": 0, "ts": EPOCH_MS})
                await until(database_dsn, COUNT, lambda n: n == 1)
                proxy.cut_question = True
                proxy.cut = "after"
                publisher.send("cuttwice/m1/tag/a", b"no JSON")
                await eventually(lambda: proxy.cuts == 2)
                publisher.send("cuttwice/m1/tag/a", {"value": 1, "ts": EPOCH_MS + 1})
                await until(database_dsn, COUNT, lambda n: n == 2)
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 1
    assert await scalar(database_dsn, "select count(*) = max(seq) and min(seq) = 1 from batch")
