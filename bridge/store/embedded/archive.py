"""Debian's archive as a source of programs: apt-get with folders of its own fetches packages for any Debian or Ubuntu.

apt-get checks the archive's signature with Debian's keyring on this machine, and every package by its hash. It keeps its
lists, cache, state and locks in a scratch folder and is told that nothing is installed, so the packages come with all that
they need (their libc included) and the machine's own packages play no part. It needs no root. Proxies and certificates are
the machine's: its apt configuration is read, except for sources, preferences and hooks.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.errors import SetupError
from bridge.store.embedded.progress import Progress

SUITE: Final = "trixie"  # Debian 13, stable
INSTEAD: Final = "or set AMOR_DATABASE_DSN and AMOR_MQTT_URL to a TimescaleDB and an MQTT broker of your own"
_KEYRINGS: Final = ("debian-archive-keyring.pgp", "debian-archive-keyring.gpg")
_PROGRAMS: Final = {"apt-get": "apt", "dpkg": "dpkg", "dpkg-deb": "dpkg", "setpriv": "util-linux"}
_CONFIGURATION: Final = """\
Dir::Etc::sourcelist "{scratch}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{scratch}/state";
Dir::State::status "{scratch}/status";
Dir::Cache "{scratch}/cache";
APT::Install-Recommends "false";
APT::Status-Fd "1";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""


@dataclass(frozen=True, slots=True)
class Archive:
    """One mirror of Debian's archive, seen through a scratch folder."""

    mirror: str
    scratch: Path

    def open(self, report: Progress) -> None:
        """Read the mirror's list of packages. Raises SetupError if it cannot be had, or its signature is not Debian's."""
        for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
            (self.scratch / folder).mkdir(parents=True, exist_ok=True)
        (self.scratch / "status").touch()
        (self.scratch / "apt.conf").write_text(_CONFIGURATION.format(scratch=self.scratch))
        options = f"signed-by={_keyring()} arch={architecture()} target=Packages lang=none"
        (self.scratch / "sources.list").write_text(f"deb [{options}] {self.mirror} {SUITE} main\n")
        self._apt(["update", "-o", "APT::Update::Error-Mode=any"], "reading Debian's list of packages", report)

    def closure(self, packages: Sequence[str], report: Progress) -> dict[str, str]:
        """Return the version of each of `packages` and of all that they depend on."""
        plan = self._apt(["install", "--simulate", *packages], "choosing packages", report)
        return dict(re.findall(r"^Inst (\S+) \((\S+)", plan, re.MULTILINE))

    def download(self, packages: dict[str, str], report: Progress) -> list[Path]:
        """Fetch these packages at these versions; the files last as long as the scratch folder."""
        folder = self.scratch / "debs"
        _give_to_apts_user(folder)
        wanted = [f"{name}={version}" for name, version in packages.items()]
        self._apt(["download", *wanted], "downloading TimescaleDB and mosquitto", report, folder)
        return sorted(folder.glob("*.deb"))

    def _apt(self, arguments: Sequence[str], step: str, report: Progress, folder: Path | None = None) -> str:
        command = ["apt-get", "-c", str(self.scratch / "apt.conf"), *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        errors = self.scratch / "errors"
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=folder or self.scratch,
                env=environment,
            ) as process,
        ):
            output = "".join(_reported(process, step, report))
        if process.returncode != 0:
            raise SetupError(f"{step} from {self.mirror} failed:\n{errors.read_text().strip()}\n{_advice()}")
        return output


def mirrors() -> list[str]:
    """Return the addresses to try, best first: AMOR_DEBIAN_MIRROR alone, or the Debian archives that this machine's apt uses."""
    if chosen := os.environ.get("AMOR_DEBIAN_MIRROR"):
        return [chosen]
    found = list(dict.fromkeys([*_known_archives(), *_configured_archives()]))
    if not found:
        raise SetupError(
            "this machine's apt knows no Debian archive to download TimescaleDB and mosquitto from (Ubuntu's, for one, is "
            f"another): set AMOR_DEBIAN_MIRROR to the address of a mirror of Debian's archive, {INSTEAD}"
        )
    return found


def check_programs() -> None:
    """Raise SetupError unless this is a Debian or Ubuntu machine with what is needed, keyring included."""
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise SetupError(
                f"{program} is missing (Debian's package {package}). The private servers are made on Debian and Ubuntu only: "
                f"install it, {INSTEAD}"
            )
    _keyring()
    if not Path("/usr/share/zoneinfo/UTC").exists():  # Debian's PostgreSQL reads its time zones there and nowhere else
        raise SetupError(f"this machine has no time zones: install Debian's package tzdata, {INSTEAD}")


def architecture() -> str:
    """Return Debian's name of this machine's architecture, such as amd64."""
    answer = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, timeout=60, check=True)
    return answer.stdout.strip()


def _known_archives() -> Iterator[str]:
    columns = "$(ORIGIN)|$(COMPONENT)|$(REPO_URI)"
    for line in _ask_apt("indextargets", "--format", columns, "Created-By: Packages"):
        origin, component, address = line.split("|", 2)
        if origin == "Debian" and component == "main" and _has_releases(address):
            yield address


def _configured_archives() -> Iterator[str]:
    # A machine whose apt has never read a list, such as a fresh container, knows addresses but not whose they are. Debian's
    # signature, which is wanted of the lists, tells them apart.
    for line in _ask_apt("update", "--print-uris") if _is_debian() else ():
        found = re.match(r"'(.+)/dists/[a-z]+/InRelease'", line)
        if found and _has_releases(found[1]):
            yield f"{found[1]}/"


def _has_releases(address: str) -> bool:
    return "security" not in address and not address.startswith("cdrom:")


def _ask_apt(*arguments: str) -> list[str]:
    answer = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return answer.stdout.splitlines()


def _is_debian() -> bool:
    try:
        return bool(re.search(r"^ID=\"?debian\"?$", Path("/etc/os-release").read_text(), re.MULTILINE))
    except FileNotFoundError:
        return False


def _keyring() -> Path:
    for name in _KEYRINGS:
        if (path := Path("/usr/share/keyrings") / name).exists():
            return path
    raise SetupError(f"Debian's signing keys are missing: install the package debian-archive-keyring, {INSTEAD}")


def _give_to_apts_user(folder: Path) -> None:
    # As root apt-get downloads as the user _apt, who must be able to write there.
    if os.geteuid() == 0:
        try:
            os.chown(folder, pwd.getpwnam("_apt").pw_uid, -1)
        except KeyError:
            return


def _reported(process: subprocess.Popen[str], step: str, report: Progress) -> Iterator[str]:
    report(step, None)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("dlstatus:"):
            report(step, float(line.split(":")[2]) / 100)
        else:
            yield line


def _advice() -> str:
    return (
        "Behind a proxy, set it up for apt-get as on any Debian machine; AMOR_DEBIAN_MIRROR names another mirror; if a key is "
        f"not known, update the package debian-archive-keyring; {INSTEAD}."
    )
