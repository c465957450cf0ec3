"""The real servers, for every test that asks for them: one private TimescaleDB and one mosquitto a session, never the user's."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest

from bridge.store.embedded import Installation, PrivateBroker, PrivateDatabase, data_folder, prepare

if TYPE_CHECKING:
    from tests.tryton_process import TrytonServer

_NUMBERS = count(1)
_MEMORY = Path("/dev/shm")
_PLENTY = 3 << 30  # bytes; each of three workers wants a quarter of one such

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("amor", deadline=None)
hypothesis.settings.load_profile("amor")


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The programs; the first session on a machine downloads them."""
    return prepare()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short folder that the servers' user can enter, which pytest's own are not."""
    with data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def light_folder() -> Iterator[Path]:
    """A folder like `server_folder`, in memory where there is plenty of it. What stands here need not outlive the machine."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY:
                patch.setattr(tempfile, "tempdir", str(_MEMORY))
            folder = stack.enter_context(data_folder())
        yield folder


@pytest.fixture(scope="session")
def database_server(installation: Installation, light_folder: Path) -> Iterator[PrivateDatabase]:
    """One cluster for the session. A test that stops or kills it makes one of its own, so that this one need not be safe on a disk:
    to make a test's database of 700 files there is a fifth of a second of work, in memory a fiftieth.
    """
    settings = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "128MB"}
    with PrivateDatabase(installation, light_folder / "database", settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(database_server: PrivateDatabase) -> str:
    """Name of a database with the present schema, which nobody can connect to."""
    from bridge.store.migrate import migrate

    with _administrator(database_server) as connection:
        connection.execute("create database migrated")
    asyncio.run(migrate(database_server.dsn_of("migrated")))
    with _administrator(database_server) as connection:
        # A template can be copied while nobody is connected; TimescaleDB's worker comes to every database that lets it in.
        connection.execute("alter database migrated allow_connections false")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'migrated'")
    return "migrated"


@pytest.fixture
def database_dsn(database_server: PrivateDatabase, migrated_template: str) -> Iterator[str]:
    """A database of this test's own, with the schema and no rows."""
    name = f"test_{next(_NUMBERS)}"
    with _administrator(database_server) as connection:
        connection.execute(f"create database {name} template {migrated_template}")
    yield database_server.dsn_of(name)
    with _administrator(database_server) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def broker(installation: Installation, server_folder: Path) -> Iterator[PrivateBroker]:
    """One broker for the session: a test uses topics and client ids of its own."""
    with PrivateBroker(installation, server_folder / "broker") as server:
        yield server


@pytest.fixture
def own_broker(installation: Installation, server_folder: Path) -> Iterator[PrivateBroker]:
    """A broker that this test may stop, kill and restart; it writes its state every second."""
    with PrivateBroker(installation, server_folder / f"broker_{next(_NUMBERS)}", autosave_s=1) as server:
        yield server


@pytest.fixture
def own_database(installation: Installation, server_folder: Path) -> Iterator[PrivateDatabase]:
    """A cluster, its database `amor` empty, that this test may stop, kill and restart."""
    with PrivateDatabase(installation, server_folder / f"database_{next(_NUMBERS)}") as server:
        yield server


def _administrator(server: PrivateDatabase) -> psycopg.Connection:
    return psycopg.connect(server.dsn_of("postgres"), autocommit=True)


@pytest.fixture(scope="session")
def tryton_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of the real Tryton, made once for all workers."""
    return _tryton_world(tmp_path_factory, "tryton_world")


def _tryton_world(tmp_path_factory: pytest.TempPathFactory, name: str, *options: str) -> Path:
    from tests.tryton_process import found_world

    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp()
    world = (folder.parent if is_worker else folder) / name
    with world.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first makes it, the others wait and find it
        if not world.exists():
            made = found_world(world.with_suffix(".new"), *options)
            made.parent.rename(world)
    return next(world.glob("*.sqlite"))


@pytest.fixture(scope="session")
def tryton_server(tryton_world: Path, light_folder: Path) -> Iterator[TrytonServer]:
    """One running Tryton for the session."""
    from tests.tryton_process import TrytonServer

    with TrytonServer(tryton_world, light_folder / "tryton") as server:
        yield server


@pytest.fixture
def tryton(tryton_server: TrytonServer) -> TrytonServer:
    """The running Tryton with its database as it was made."""
    tryton_server.reset()
    return tryton_server


@pytest.fixture(scope="session")
def tryton_server_with_lots(tmp_path_factory: pytest.TempPathFactory, light_folder: Path) -> Iterator[TrytonServer]:
    """One running Tryton with the module stock_lot for the session."""
    from tests.tryton_process import TrytonServer

    world = _tryton_world(tmp_path_factory, "tryton_world_with_lots", "--lots")
    with TrytonServer(world, light_folder / "tryton_with_lots") as server:
        yield server


@pytest.fixture
def tryton_with_lots(tryton_server_with_lots: TrytonServer) -> TrytonServer:
    """The running Tryton with lots, its database as it was made."""
    tryton_server_with_lots.reset()
    return tryton_server_with_lots
