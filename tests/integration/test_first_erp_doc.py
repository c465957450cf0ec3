"""docs/first-erp.md from its first command to its last, as a newcomer types them; only ports and servers are the test's own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from bridge.store.embedded import PrivateBroker, free_port

PAGE: Final = (Path(__file__).parents[2] / "docs" / "first-erp.md").read_text()
FILES: Final = re.findall(r"`([\w-]+\.\w+)`[^\n]*:\n\n```(?:toml|yaml|json|python)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS: Final = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
PRACTICE: Final = "127.0.0.1:8069"
TRIES: Final = 60  # of a command that asks for what is on its way: about a second each


class Newcomer:
    """Somebody with a folder and terminals."""

    def __init__(self, folder: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self.folder = folder
        self.environment = environment
        self._stack = stack

    def begin(self, command: str, says: str) -> subprocess.Popen[str]:
        """Start what lasts in a terminal of its own; return once it says so."""
        return self._stack.enter_context(running(command, self.folder, self.environment, says))

    def type(self, command: str) -> str:
        done = self._run(command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def type_until(self, command: str, says: str) -> str:
        """The same again, until what is on its way has arrived."""
        for _ in range(TRIES):
            if says in (told := self._run(command).stdout):
                return told
        raise AssertionError(f"{command} does not say {says}: {told}")

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, shell=True, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60, check=False, executable="/bin/bash",
        )  # fmt: skip


@contextmanager
def running(command: str, folder: Path, environment: dict[str, str], says: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command.split(), cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            told = []
            for line in process.stdout:
                told.append(line)
                if says in line:
                    break
            else:
                raise AssertionError(f"{command} ended: {''.join(told)}")
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


@pytest.fixture
def newcomer(server_folder: Path, database_dsn: str, broker: PrivateBroker) -> Iterator[Newcomer]:
    environment = {
        **os.environ, "AMOR_DATABASE_DSN": database_dsn, "AMOR_MQTT_URL": broker.url, "COLUMNS": "200",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    with ExitStack() as stack:
        folder = server_folder / "newcomer"  # as root the servers are another user, which must be able to enter it
        folder.mkdir(mode=0o755)
        yield Newcomer(folder, environment, stack)


def test_page_is_true_from_its_first_command_to_its_last(newcomer):
    assert [name for name, _ in FILES] == ["amor.toml", "rules.yaml", "say.py", "event.json"]
    port, commands = free_port(), iter(COMMANDS)
    for name, text in FILES:
        (newcomer.folder / name).write_text(text.replace(PRACTICE, f"127.0.0.1:{port}"))
    with (newcomer.folder / "amor.toml").open("a") as config:
        config.write("\n[dashboard]\nport = 0\n")

    def take(begin: str) -> str:
        command = next(commands)
        assert command.startswith(begin)
        return command

    newcomer.begin(take("amor servers"), "Ctrl-C ends")
    practice = f"{take('amor sim erp')} --port {port}"
    erp = newcomer.begin(practice, "erp started")
    newcomer.environment["ERP_KEY"] = take("export ERP_KEY=").partition("=")[2]
    assert "ok amor.toml" in newcomer.type(take("amor check"))
    assert "know every item" in newcomer.type(take("amor check --online"))
    assert "mark done" in newcomer.type(take("amor erp preview"))
    newcomer.begin(take("amor up"), "relay started")

    for _ in range(3):
        newcomer.type(take("python say.py"))
    newcomer.type_until(take("amor outbox show 1"), "MES-0001 #1, done")
    assert "3 pieces in 1 count" in newcomer.type(take("amor outbox trace 1"))
    assert "1 order agrees" in newcomer.type(take("amor outbox reconcile erp"))
    newcomer.environment["AMOR_PASSWORD"] = "what the page's prompt is given"
    assert "anna may log in" in newcomer.type(take("amor user add"))

    for _ in range(2):
        newcomer.type(take("python say.py"))
    assert "no production with the origin" in newcomer.type_until(take("amor outbox list"), "MES-9999")
    assert "counts as posted" in newcomer.type(take("amor outbox settle 2"))
    assert "nothing waits" in newcomer.type(take("amor outbox list"))

    erp.send_signal(signal.SIGINT)
    erp.wait(30)
    for _ in range(2):
        newcomer.type(take("python say.py"))
    newcomer.type_until("amor outbox show 3", "cannot be reached")
    newcomer.begin(practice, "erp started")
    newcomer.type_until(take("amor outbox show 3"), "MES-0001 #2, done")
    assert "nothing waits" in newcomer.type(take("amor outbox list"))
    assert next(commands, None) is None
