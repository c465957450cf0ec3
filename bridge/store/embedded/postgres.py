"""A private TimescaleDB cluster: made, started, stopped and brought back after a crash.

    <folder>/cluster        PostgreSQL's own
    <folder>/password       of the only role, `amor`; made for this cluster
    <folder>/port           of the last run, used again if it is free
    <folder>/postgres.log

It listens on the loopback interface only, wants the password (scram-sha-256) and has no Unix socket. Commits are durable, as in
a plant: what the tests prove by killing things must not rest on luck.
"""

from __future__ import annotations

import secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

from bridge.store.embedded.account import server_account
from bridge.store.embedded.folder import wait_until_unused
from bridge.store.embedded.installation import Installation
from bridge.store.embedded.ports import free_port
from bridge.store.embedded.process import ServerProcess, run_as
from bridge.store.embedded.progress import Progress, silent

_ROLE: Final = "amor"
_READY_WITHIN_S: Final = 120.0
"""Long: after a crash the server first repeats its write-ahead log."""

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # its path may have 107 characters; TCP has no such limit
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "jit": "off",  # LLVM is not unpacked
    "track_commit_timestamp": "on",
    "max_connections": "100",
    "max_worker_processes": "24",  # TimescaleDB keeps one for each database, and tests have many
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}


class PrivateDatabase:
    """A TimescaleDB of our own in `folder`, which is made on the first start; later starts find their data again.

    `settings` come on top of the defaults, such as {"work_mem": "64MB"}. As a context manager it starts and stops. All methods
    block until done (use asyncio.to_thread) and may be called from any thread, one at a time.
    """

    def __init__(
        self,
        installation: Installation,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        report: Progress = silent,
    ) -> None:
        self._programs = installation.postgres_bin
        self._folder = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._report = report
        self._account = server_account()
        self._password = ""
        self._server: ServerProcess | None = None
        self.port = 0

    @property
    def dsn(self) -> str:
        """Address of the database `amor`, with the password. The same after every restart."""
        return self.dsn_of("amor")

    @property
    def pid(self) -> int:
        """Process id of the server's first process, the postmaster."""
        return self._running().pid

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folder / "postgres.log"

    def dsn_of(self, database: str) -> str:
        """Return the address of another database of this cluster."""
        # What PGSSLMODE and a Kerberos ticket of the caller's would ask for is no use here, and costs time.
        options = "sslmode=disable&gssencmode=disable"
        return f"postgresql://{_ROLE}:{self._password}@127.0.0.1:{self.port}/{database}?{options}"

    def start(self) -> None:
        """Start the server, making the cluster and the database `amor` if they are missing; return when it takes connections."""
        self._make_folder()
        wait_until_unused(self._cluster)
        if not self._cluster.exists():
            self._make_cluster()
        self._password = (self._folder / "password").read_text().strip()
        self.port = self.port or free_port(self._folder / "port")
        # Nobody works on the cluster, so this file is a dead server's. Its process id may be another program's by now, for
        # which PostgreSQL would refuse to start.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._report("starting the database", None)
        self._server = ServerProcess("PostgreSQL", self._command(), self.log, self._account, signal.SIGINT)
        self._server.start()
        self._server.wait_until(self._takes_connections, _READY_WITHIN_S)
        self._make_database()

    def stop(self) -> None:
        """End the server in order: open transactions are rolled back, everything else is on disk."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """Kill the postmaster (SIGKILL), as a crash would. Its children notice and end by themselves."""
        self._running().kill()

    def restart(self) -> None:
        """Stop the server if it runs, and start it with the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    def _running(self) -> ServerProcess:
        assert self._server is not None, "the database has not been started"
        return self._server

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._account.own(self._folder, 0o700)

    def _make_cluster(self) -> None:
        self._report("making the database", None)
        password = self._folder / "password"
        password.touch(0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        self._account.own(password, 0o600)
        # Under another name first: a kill in the middle must not leave half a cluster to be found.
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={unfinished}",
            f"--username={_ROLE}",
            f"--pwfile={password}",
        ]
        # Text sorts by code point, by a rule built into PostgreSQL: the same order on every machine.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        run_as(self._account, [*command, *locale, "--auth=scram-sha-256", "--data-checksums"], self._folder)
        unfinished.rename(self._cluster)

    def _command(self) -> list[str]:
        settings = {**self._settings, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._cluster), *options]

    def _takes_connections(self) -> bool:
        try:
            psycopg.connect(self.dsn_of("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(self.dsn_of("postgres"), autocommit=True) as connection:
            if connection.execute("select from pg_database where datname = 'amor'").rowcount == 0:
                connection.execute("create database amor")
