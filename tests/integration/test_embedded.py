"""The private servers: unprivileged, private, durable, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bridge.errors import SetupError
from bridge.store.embedded import (
    Installation,
    PrivateBroker,
    PrivateDatabase,
    archive,
    data_folder,
    free_port,
    prepare,
)
from bridge.store.embedded.folder import processes_on, wait_until_unused


def test_prepared_installation_is_found_again_without_work(installation: Installation):
    steps: list[str] = []
    assert prepare(lambda step, _: steps.append(step)) == installation
    assert steps == []


def test_cache_that_was_moved_is_not_used(installation: Installation, tmp_path: Path):
    from bridge.store.embedded.installation import _is_made

    (tmp_path / "amor.txt").write_text("/somewhere/else\nmosquitto 2.0.21-1\n")
    assert not _is_made(tmp_path)
    assert _is_made(installation.root)


def test_servers_run_as_an_unprivileged_user(own_database: PrivateDatabase, own_broker: PrivateBroker):
    for pid in (own_database.pid, own_broker.pid):
        assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_servers_do_not_share_the_terminal(own_database: PrivateDatabase, own_broker: PrivateBroker):
    for pid in (own_database.pid, own_broker.pid):
        assert os.getsid(pid) != os.getsid(0)


def test_database_has_timescaledb_and_durable_commits(own_database: PrivateDatabase):
    with psycopg.connect(own_database.dsn) as connection:
        connection.execute("create extension if not exists timescaledb")
        assert connection.execute("show synchronous_commit").fetchone() == ("on",)
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("select timestamp '2026-07-01' at time zone 'Europe/Berlin' is not null").fetchone()


def test_database_refuses_a_wrong_password(own_database: PrivateDatabase):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own_database.dsn, password="guessed")


def test_database_keeps_commits_and_address_through_kill_of_the_postmaster(own_database: PrivateDatabase):
    address = own_database.dsn
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("create table piece (id int primary key)")
        connection.execute("insert into piece select generate_series(1, 1000)")
        own_database.kill()
    own_database.restart()
    assert own_database.dsn == address
    with psycopg.connect(address) as connection:
        assert connection.execute("select count(*) from piece").fetchone() == (1000,)


def test_database_starts_although_its_old_process_id_is_taken(own_database: PrivateDatabase, broker: PrivateBroker):
    own_database.stop()
    cluster = own_database.log.parent / "cluster"
    (cluster / "postmaster.pid").write_text(f"{broker.pid}\n{cluster}\n")
    own_database.start()
    psycopg.connect(own_database.dsn).close()


def test_nothing_is_left_after_the_end(installation: Installation):
    with data_folder() as folder:
        database = PrivateDatabase(installation, folder / "database")
        broker = PrivateBroker(installation, folder / "broker")
        with database, broker:
            assert processes_on(folder)
        assert processes_on(folder) == []
    assert not folder.exists()


def test_kept_folder_has_its_data_next_time(installation: Installation, server_folder: Path):
    kept = server_folder / "kept"
    with data_folder(kept) as folder, PrivateDatabase(installation, folder / "database") as database:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute("create table piece ()")
        address = database.dsn
    with data_folder(kept) as folder, PrivateDatabase(installation, folder / "database") as database:
        assert database.dsn == address
        with psycopg.connect(database.dsn) as connection:
            assert connection.execute("select to_regclass('piece') is not null").fetchone() == (True,)


def test_folder_in_use_is_refused(server_folder: Path):
    once = server_folder / "once"
    with data_folder(once), pytest.raises(SetupError, match="in use by another amor"), data_folder(once):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as someone else")
def test_closed_folder_is_named_for_root(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(SetupError, match="may not enter"), data_folder(tmp_path / "closed" / "data"):
        pass


def test_servers_started_from_a_short_lived_thread_stay(installation: Installation, server_folder: Path):
    broker = PrivateBroker(installation, server_folder / "threaded")
    starter = threading.Thread(target=broker.start)
    starter.start()
    starter.join()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["tail", f"--pid={broker.pid}", "-f", "/dev/null"], timeout=0.5, check=False)
    finally:
        broker.stop()


def test_servers_end_with_a_parent_that_was_killed(server_folder: Path):
    folder = server_folder / "orphaned"
    owner = _owner(folder)
    assert len(processes_on(folder)) >= 2
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_until_unused(folder, timeout_s=10)


def test_servers_leave_an_interrupt_to_their_parent(server_folder: Path):
    folder = server_folder / "interrupted"
    owner = _owner(folder)
    os.killpg(owner.pid, signal.SIGINT)
    owner.wait()  # a database ends with a checkpoint, which waits for the disk
    assert processes_on(folder) == []
    assert "orderly" in owner.stdout.read()


def test_leftover_of_a_killed_owner_is_removed_by_the_next(installation: Installation):
    owner = _owner(None)
    left = Path(owner.stdout.readline().strip())
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_until_unused(left, timeout_s=10)
    assert left.exists()
    with data_folder():
        assert not left.exists()


def test_broker_keeps_its_queue_through_an_orderly_restart(own_broker: PrivateBroker):
    receiver = _subscriber(own_broker)
    _until(receiver.is_connected)
    receiver.disconnect()
    receiver.loop_stop()
    _publish(own_broker, 500)
    own_broker.restart()
    received: list[int] = []
    receiver = _subscriber(own_broker, received)
    _until(lambda: len(received) == 500)
    receiver.loop_stop()
    assert received == list(range(500))


def test_broker_comes_back_after_kill_at_the_same_address(own_broker: PrivateBroker):
    address = own_broker.url
    own_broker.kill()
    own_broker.restart()
    assert own_broker.url == address
    _publish(own_broker, 1)


def test_free_port_is_not_one_the_kernel_gives_to_clients():
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(free_port() < first for _ in range(20))


def test_remembered_port_is_used_again(tmp_path: Path):
    assert free_port(tmp_path / "port") == free_port(tmp_path / "port")


def test_machine_without_apt_is_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"apt-get is missing.*AMOR_DATABASE_DSN and AMOR_MQTT_URL"):
        prepare()


def test_mirror_without_packages_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch, server_folder: Path):
    monkeypatch.setenv("AMOR_CACHE", str(server_folder / "cache"))
    monkeypatch.setenv("AMOR_DEBIAN_MIRROR", f"file:{server_folder}/nothing")
    with pytest.raises(SetupError, match=r"reading Debian's list of packages from file:.*failed"):
        prepare()
    assert [path.name for path in (server_folder / "cache").iterdir()] == ["lock"]


def test_mirror_is_found_on_a_machine_whose_apt_has_read_no_list(monkeypatch: pytest.MonkeyPatch):
    listed = {
        "indextargets": [],
        "update": [
            "'http://archive.example/debian/dists/trixie/InRelease' a 0 ",
            "'http://archive.example/debian/dists/trixie-updates/InRelease' b 0 ",
            "'http://archive.example/debian-security/dists/trixie-security/InRelease' c 0 ",
        ],
    }
    monkeypatch.setattr(archive, "_ask_apt", lambda command, *_: listed[command])
    monkeypatch.setattr(archive, "_is_debian", lambda: True)
    monkeypatch.delenv("AMOR_DEBIAN_MIRROR", raising=False)
    assert archive.mirrors() == ["http://archive.example/debian/"]


def test_machine_that_knows_no_debian_archive_is_told_of_the_mirror_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "_ask_apt", lambda *_: ["Ubuntu|main|http://archive.example/ubuntu/"])
    monkeypatch.setattr(archive, "_is_debian", lambda: False)
    monkeypatch.delenv("AMOR_DEBIAN_MIRROR", raising=False)
    with pytest.raises(SetupError, match="AMOR_DEBIAN_MIRROR"):
        archive.mirrors()


def _owner(folder: Path | None) -> subprocess.Popen[str]:
    """Start a process that starts both servers, says where, and waits."""
    program = f"""
        import time
        from pathlib import Path
        from bridge.store.embedded import *
        with data_folder({str(folder) if folder else None!r} and Path({str(folder)!r})) as place:
            installation = prepare()
            with PrivateDatabase(installation, place / "database"), PrivateBroker(installation, place / "broker"):
                try:
                    print(place, flush=True)
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass
        print("orderly", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    if folder is not None:
        assert owner.stdout.readline().strip() == str(folder)
    return owner


def _subscriber(broker: PrivateBroker, received: list[int] | None = None):
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id="embedded-test", clean_session=False)
    ready = threading.Event()
    client.on_connect = lambda *_: client.subscribe("embedded/#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: (received if received is not None else []).append(
        int(message.payload)
    )
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert ready.wait(10)
    return client


def _publish(broker: PrivateBroker, number: int) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for message in [client.publish("embedded/piece", str(piece), qos=1) for piece in range(number)]:
        message.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def _until(holds: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
