"""Who the private servers run as. PostgreSQL refuses to run as root, so as root there is an account for them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.errors import SetupError

_NAME: Final = "amor"


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a private server runs as. `switch`: another one than ours, so we must be root."""

    name: str
    uid: int
    gid: int
    switch: bool

    def own(self, path: Path, mode: int) -> None:
        """Give `path` to this user, with `mode`."""
        if self.switch:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def check_can_enter(self, folder: Path) -> None:
        """Raise SetupError, naming the closed folder, if this user cannot reach `folder`."""
        if not self.switch:
            return
        for step in reversed([folder, *folder.parents]):
            status = step.stat()
            bit = 0o100 if status.st_uid == self.uid else 0o010 if status.st_gid == self.gid else 0o001
            if not status.st_mode & bit:
                raise SetupError(
                    f"{folder} cannot be used: as root the servers run as the user {self.name}, who may not enter {step}. "
                    "Choose a folder below /var or /srv, or run this as a plain user."
                )


def server_account() -> Account:
    """Return the user for the servers: ourselves, or, as root, the system user `amor`, which is made if it is missing.

    Not `postgres` or `nobody`: those may run other servers, which could then read our data and signal our processes.
    """
    if os.geteuid() != 0:
        return _ourselves()
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        _create()
        entry = pwd.getpwnam(_NAME)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def _ourselves() -> Account:
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise SetupError(
            f"user id {os.geteuid()} has no name on this machine, and PostgreSQL wants one: add it to /etc/passwd, "
            "or set AMOR_DATABASE_DSN and AMOR_MQTT_URL to servers of your own"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=False)


def _create() -> None:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise SetupError("useradd is missing: install Debian's package passwd, or run this as a plain user")
    command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    made = subprocess.run(
        [*command, "--shell", "/usr/sbin/nologin", _NAME], capture_output=True, text=True, timeout=60, check=False
    )
    already_made_by_another = 9
    if made.returncode not in {0, already_made_by_another}:
        raise SetupError(f"the servers' user {_NAME} could not be made: {made.stderr.strip()}")
