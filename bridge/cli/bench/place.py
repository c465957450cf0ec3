"""Where the bench happens: a private database and broker, the bridge as a process of its own, and the processes around it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from bridge.cli.bench.stage import start
from bridge.errors import SetupError
from bridge.store.embedded import PrivateBroker, PrivateDatabase
from bridge.store.queries import load

QUERIES: Final = load("bench")
SOURCE: Final = "bench"
CLIENT_ID: Final = "amor-bench"
WAIT_S: Final = 300.0
_LOOK_S: Final = 0.1
_CONFIGURATION: Final = """\
[plant]
name = "Bench"
[database]
dsn = "{dsn}"
[[source]]
name = "bench"
type = "mqtt"
lane = 1
url = "{url}"
client_id = "amor-bench"
[[source.subscribe]]
topic = "bench/{{machine}}/tag/{{tag}}"
equipment = "acme/bench/area/line/{{machine}}"
[[source.subscribe]]
topic = "bench/{{machine}}/many"
equipment = "acme/bench/area/line/{{machine}}"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The servers of one bench, with everything that is done to them."""

    folder: Path
    database: PrivateDatabase
    broker: PrivateBroker

    def prepare(self) -> None:
        """Write the bridge's configuration."""
        self._config.write_text(_CONFIGURATION.format(dsn=self.database.dsn, url=self.broker.url))

    def row(self, query: bytes, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One row of a query."""
        with psycopg.connect(self.database.dsn, row_factory=dict_row, autocommit=True) as connection:
            return _one(connection.execute(query, values))

    def empty(self) -> None:
        """Forget all readings and batches; tags stay."""
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            connection.execute(QUERIES.empty)

    @contextmanager
    def bridge(self) -> Iterator[subprocess.Popen[str]]:
        """The bridge, ended in order."""
        with self._log.open("a") as log:
            process = _start("bridge.cli", "bridge", "--config", self._config, stderr=log)
            try:
                yield process
            finally:
                process.terminate()
                process.wait()

    def wait_for_rows(self, count: int, bridge: subprocess.Popen[str]) -> None:
        """Wait until so many readings are committed. Raises SetupError where the bridge ends or nothing more comes."""
        deadline, newest = time.monotonic() + WAIT_S, -1
        # One connection and few questions: the machine's time belongs to what is measured.
        with psycopg.connect(self.database.dsn, row_factory=dict_row, autocommit=True) as connection:
            while (rows := _one(connection.execute(QUERIES.rows_so_far))["n"]) < count:
                if rows > newest:
                    deadline, newest = time.monotonic() + WAIT_S, rows
                if bridge.poll() is not None or time.monotonic() > deadline:
                    raise SetupError(f"the bridge stored {rows} of {count} readings and no more; see {self._log}")
                time.sleep(_LOOK_S)

    def receive(self, kind: str, client_id: str, count: int) -> float:
        """Run one of `receivers` to its end; the rate that it measured."""
        module = "bridge.cli.bench.receivers"
        process = _start(module, kind, self.broker.port, client_id, count, self.database.dsn)
        return float(_output(process))

    def subscribe(self, client_ids: Sequence[str]) -> None:
        """Make the sessions, so that the broker keeps what is published for them."""
        for client_id in client_ids:
            self.receive("subscribe", client_id, 0)

    def subscribe_bridge(self) -> None:
        """Let the bridge make its session, and end it."""
        with self.bridge() as process:
            while not self.row(QUERIES.sources)["n"]:
                if process.poll() is not None:
                    raise SetupError(f"the bridge did not start; see {self._log}")
                time.sleep(_LOOK_S)

    def publisher(self, form: str, count: int, rate: float = 0) -> subprocess.Popen[str]:
        """Start a publisher; `published` waits for it."""
        return _start("bridge.cli.bench.publisher", self.broker.port, form, count, rate)

    @property
    def _log(self) -> Path:
        return self.folder / "bridge.log"

    @property
    def _config(self) -> Path:
        return self.folder / "bench.toml"


def published(publisher: subprocess.Popen[str]) -> int:
    """How many messages the broker has taken, when the publisher has ended."""
    return int(_output(publisher))


def _one(cursor: psycopg.Cursor[dict[str, Any]]) -> dict[str, Any]:
    row = cursor.fetchone()
    assert row is not None, "the bench's queries return one row"
    return row


def _start(module: str, *arguments: object, stderr: Any = None) -> subprocess.Popen[str]:
    return start(module, *arguments, stdout=subprocess.PIPE, stderr=stderr, text=True)


def _output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate()
    if process.returncode:
        raise SetupError(f"a process of the bench ended with code {process.returncode}: {process.args!r}")
    return text
