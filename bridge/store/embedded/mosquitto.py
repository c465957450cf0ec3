"""A private mosquitto: an MQTT 3.1.1 and 5 broker that keeps what its subscribers have not yet acknowledged.

mosquitto alone loses by default (1000 queued messages a client, nothing on disk): the settings below are the promise's part on
the broker's side. What stays open with mosquitto 2.0: it writes its state to disk every `autosave_s` seconds, so a power cut
or SIGKILL of the broker itself loses what came since; an orderly end loses nothing.
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bridge.store.embedded.account import server_account
from bridge.store.embedded.folder import wait_until_unused
from bridge.store.embedded.installation import Installation
from bridge.store.embedded.ports import free_port
from bridge.store.embedded.process import ServerProcess
from bridge.store.embedded.progress import Progress, silent

_READY_WITHIN_S: Final = 60.0
# Inflight as many as the bridge takes unacknowledged (receive_maximum): with 1000 it waits for each commit, and stores a fifth.
_CONFIGURATION: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval {autosave_s}
max_queued_messages 10000000
max_queued_bytes 2000000000
max_inflight_messages 65535
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


class PrivateBroker:
    """A mosquitto of our own in `folder`, on the loopback interface, without passwords. A later start finds its sessions again.

    `autosave_s`: seconds between two writes of its state to disk. Each writes all of it and holds the broker up meanwhile, so
    30 suits a long backlog; 1 suits tests that kill the broker and have little queued. As a context manager it starts and
    stops. All methods block until done and may be called from any thread, one at a time.
    """

    def __init__(
        self, installation: Installation, folder: Path, *, autosave_s: int = 30, report: Progress = silent
    ) -> None:
        self._program = installation.mosquitto
        self._folder = folder
        self._autosave_s = autosave_s
        self._report = report
        self._account = server_account()
        self._server: ServerProcess | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Address, such as mqtt://127.0.0.1:18830. The same after every restart."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self._running().pid

    @property
    def log(self) -> Path:
        """The broker's log."""
        return self._folder / "mosquitto.log"

    def start(self) -> None:
        """Start the broker; return when it takes connections."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._account.own(self._folder, 0o700)
        wait_until_unused(self._folder)
        self.port = self.port or free_port(self._folder / "port")
        self._report("starting the broker", None)
        configuration = self._folder / "mosquitto.conf"
        values = {"port": self.port, "folder": self._folder, "autosave_s": self._autosave_s}
        configuration.write_text(_CONFIGURATION.format(**values))
        self._account.own(configuration, 0o600)
        command = [str(self._program), "-c", str(configuration)]
        self._server = ServerProcess("mosquitto", command, self.log, self._account, signal.SIGTERM)
        self._server.start()
        self._server.wait_until(self._takes_connections, _READY_WITHIN_S)

    def stop(self) -> None:
        """End the broker in order: sessions and queued messages are on disk."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """Kill the broker (SIGKILL), as a crash would: what came since the last autosave is lost."""
        self._running().kill()

    def restart(self) -> None:
        """Stop the broker if it runs, and start it with the same address."""
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

    def _running(self) -> ServerProcess:
        assert self._server is not None, "the broker has not been started"
        return self._server

    def _takes_connections(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
