"""A private server as a child process: in a session of its own, and never outliving us."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bridge.errors import SetupError
from bridge.store.embedded.account import Account

# The kernel's "parent died" signal goes by the thread that started the child. This one lives as long as the process does,
# so a server may be started from a short-lived thread.
_LAUNCHER: Final = ThreadPoolExecutor(1, thread_name_prefix="amor-launcher")


class ServerProcess:
    """One server. `end` is the signal that ends it in order; it gets the same one from the kernel if we are killed.

    It does not share our terminal's process group: Ctrl-C reaches us alone, and we end it when its users have ended.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, account: Account, end: signal.Signals) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._account = account
        self._end = end
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises SetupError if it was never started."""
        if self._process is None:
            raise SetupError(f"{self.name} has not been started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        _LAUNCHER.submit(self._launch).result()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return as soon as `ready` says so. Raises SetupError, with the end of the log, if it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running:
                raise self._failure("ended at once")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure(f"was not ready after {timeout_s:.0f} s")
            time.sleep(0.02)

    def stop(self, timeout_s: float = 60) -> None:
        """End it in order, or by force after `timeout_s`. Does nothing if it has ended."""
        if self._process is None:
            return
        if self.is_running:
            self._process.send_signal(self._end)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _launch(self) -> None:
        switch = ["--reuid", self._account.name, "--regid", str(self._account.gid), "--init-groups"]
        # setpriv asks for the signal after it has changed the user, which would clear it.
        prefix = [
            "setpriv",
            *(switch if self._account.switch else []),
            "--pdeathsig",
            self._end.name.removeprefix("SIG"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, "--", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                env=clean_environment(),
                start_new_session=True,
            )

    def _failure(self, what: str) -> SetupError:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return SetupError(f"{self.name} {what}. The end of {self.log}:\n{tail}")


def run_as(account: Account, command: Sequence[str], folder: Path) -> None:
    """Run a program as the servers' user and wait for it. Raises SetupError, with its output, if it fails."""
    switch = ["setpriv", "--reuid", account.name, "--regid", str(account.gid), "--init-groups", "--"]
    done = subprocess.run(
        [*(switch if account.switch else []), *command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
        env=clean_environment(),
    )
    if done.returncode != 0:
        raise SetupError(f"{Path(command[0]).name} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")


def clean_environment() -> dict[str, str]:
    """Return the servers' environment: none of the caller's libraries (LD_*), PostgreSQL settings (PG*) or language."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
