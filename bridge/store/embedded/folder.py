"""Where private servers keep their data: a temporary folder that goes with them, or one that is kept for the next run."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from bridge.errors import SetupError
from bridge.store.embedded.account import server_account

_PREFIX: Final = "amor-"
_LOCK: Final = "in-use"
_SERVERS: Final = {"postgres", "mosquitto", "setpriv"}


@contextmanager
def data_folder(keep: Path | None = None) -> Iterator[Path]:
    """Yield a folder that is ours alone until the end of the block.

    `keep`: used again next time, made if missing; None: a temporary folder, removed at the end. What a killed process left of
    its temporary folder is removed by the next one. Raises SetupError where the folder is in use, cannot be made, or cannot be
    entered by the servers' user.
    """
    folder = _kept(keep) if keep is not None else _temporary()
    try:
        with (folder / _LOCK).open("w") as lock:
            _claim(lock, folder)
            server_account().check_can_enter(folder)
            yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def wait_until_unused(folder: Path, timeout_s: float = 30) -> None:
    """Return when no process works on `folder` any more: a server whose owner was killed takes a moment to end.

    Two PostgreSQL servers on one cluster would destroy it. Raises SetupError after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while users := processes_on(folder):
        if time.monotonic() > deadline:
            raise SetupError(f"{folder} is still in use by process {users[0]}: end that one first")
        time.sleep(0.05)


def processes_on(folder: Path) -> list[int]:
    """Return the ids of the servers that stand in `folder` or name it in their command."""
    entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return sorted(int(entry.name) for entry in entries if _is_server_on(entry, folder))


def _kept(folder: Path) -> Path:
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        return folder.resolve()
    except OSError as reason:
        raise SetupError(f"{folder} cannot be made: {reason}") from reason


def _temporary() -> Path:
    parent = Path(tempfile.gettempdir())
    _remove_leftovers(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
    except OSError as reason:
        raise SetupError(f"no temporary folder can be made in {parent}: {reason}. TMPDIR names another one") from reason
    folder.chmod(0o755)  # as root the servers are another user; what is secret is closed below
    return folder


def _claim(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(f"{folder} is in use by another amor: end that one first, or choose another folder") from None


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid == os.geteuid():
                _remove_if_abandoned(folder)
        except OSError:
            continue  # another process removed it first, or it is none of ours


def _remove_if_abandoned(folder: Path) -> None:
    with (folder / _LOCK).open() as lock:  # a folder of another kind has none
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not processes_on(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_server_on(process: Path, folder: Path) -> bool:
    try:
        if (process / "comm").read_text().strip() not in _SERVERS:  # a person's `tail -f` of a log is no server
            return False
        if str(folder).encode() in (process / "cmdline").read_bytes():
            return True
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False  # it has ended, or belongs to someone else
