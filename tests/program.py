"""Programs of ours as processes of their own, at the price of a fork: one process per test run imports what they need, once.

    the tests --(what to run)--> the forge: has imported the modules, and runs nothing --(fork)--> the program

What starts is as it is from a command line: a process with an environment, arguments and standard streams of its own, the test's own
child, which ends and is killed like any other. Only its imports are paid for. Tests of how a program starts from nothing (`amor demo`,
tests/integration/test_cli.py) start it from nothing.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "bridge.cli.app",
    "bridge.cli.signals",
    "bridge.cli.up",
    "bridge.erp.connectors",
    "bridge.erp.notify",
    "bridge.erp.relay",
    "bridge.erp.tag_write",
    "bridge.ingest.process",
    "bridge.sources.opcua",
    "dashboard.server",
    "rules.engine",
    "simulators.erp.http",
    "tests.relay_process",
)
_MOST_BYTES = 1 << 20
_BE_PARENT_OF_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Program:
    """One running program; its streams are the test's own unless files are given."""

    def __init__(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
    ) -> None:
        """`command`: a module's name and its arguments, as after `python -m`; or `-c` and a program's text."""
        what = {"command": command, "environment": dict(os.environ if env is None else env), "folder": str(cwd)}
        with Path(os.devnull).open() as nothing:
            streams = [
                (nothing if stdin is None else stdin).fileno(),
                1 if stdout is None else stdout.fileno(),
                2 if stderr is None else stderr.fileno(),
            ]
            self.pid = _forge().start(what, streams)
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """As subprocess has it: negative for a signal; None while it runs."""
        if self._returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._returncode = os.waitstatus_to_exitcode(status)
        return self._returncode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Block until it has ended; the test's time limit bounds it."""
        if self._returncode is None:
            self._returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._returncode

    async def ended(self) -> int:
        """The same for a test with an event loop."""
        if self.returncode is None:
            loop, has_ended = asyncio.get_running_loop(), asyncio.Event()
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, has_ended.set)
            try:
                await has_ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        return self.wait()


def run(
    *command: str, env: Mapping[str, str] | None = None, stdin: bytes = b"", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and read what it printed, as `subprocess.run` does."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        program = Program(*command, env=env, stdin=given, stdout=out, stderr=err)
        deadline = time.monotonic() + timeout_s
        while program.returncode is None:
            if time.monotonic() > deadline:
                program.kill()
                program.wait()
                raise TimeoutError(f"{command} runs for more than {timeout_s} s")
            time.sleep(0.005)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, program.wait(), out.read().decode(), err.read().decode())


class _Forge:
    """This side of the process that forks; it ends when this process does."""

    def __init__(self) -> None:
        self._socket, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A library for arithmetic with threads of its own is no good to fork.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        with there:
            command = [sys.executable, "-m", "tests.program", str(there.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[there.fileno()])

    def start(self, what: dict[str, Any], streams: list[int]) -> int:
        prctl = ctypes.CDLL(None).prctl
        prctl(_BE_PARENT_OF_ORPHANS, 1)
        try:
            self._socket.sendmsg(
                [json.dumps(what).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))]
            )
            answer = self._socket.recv(64)
        finally:
            prctl(_BE_PARENT_OF_ORPHANS, 0)  # others' orphans are none of ours
        assert answer, "the process that starts programs has ended: its error stands above"
        return int(answer)


@functools.cache
def _forge() -> _Forge:
    return _Forge()


def _serve(orders: socket.socket) -> dict[str, Any]:
    """Fork for every order. Returns in the forked process: what it is to run."""
    tests = os.getppid()
    while True:
        message, streams, _, _ = socket.recv_fds(orders, _MOST_BYTES, 3)
        if not message:
            sys.exit()
        reader, writer = os.pipe()
        if (between := os.fork()) == 0:
            if (program := os.fork()) == 0:
                os.close(reader)
                os.close(writer)
                orders.close()
                for stream, descriptor in enumerate(streams):
                    os.dup2(descriptor, stream)
                    os.close(descriptor)
                _end_with(tests)
                return dict(json.loads(message))
            os.write(writer, str(program).encode())
            os._exit(0)  # an orphan goes to the tests' process, which asked for it
        for descriptor in (writer, *streams):
            os.close(descriptor)
        pid = os.read(reader, 64)
        os.close(reader)
        os.waitpid(between, 0)
        orders.send(pid)


def _end_with(tests: int) -> None:
    """Have the kernel end this process with the tests, once it is theirs: a run that is broken off leaves nothing behind."""
    while (parent := os.getppid()) != tests:
        if parent == 1:
            os._exit(1)  # they have ended already
        time.sleep(0.001)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != tests:
        os._exit(1)


def _become(what: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(what["environment"])
    os.chdir(what["folder"])
    module, *arguments = what["command"]
    if module == "-c":
        text, *arguments = arguments
        sys.argv = ["-c", *arguments]
        exec(compile(text, "<program>", "exec"), {"__name__": "__main__"})  # as python -c does
    else:
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as orders, contextlib.suppress(ConnectionError):
        what = _serve(orders)
    _become(what)


if __name__ == "__main__":
    _main()
