"""Loopback ports for private servers."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

from bridge.errors import SetupError

_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 15_000
_TRIES: Final = 200


def free_port(remembered: Path | None = None) -> int:
    """Return a loopback TCP port that nobody listens on; the same as last time if `remembered` holds it and it is free.

    The port lies below the range from which the kernel takes the ports of outgoing connections. A client that knocks at a
    stopped server's port inside that range can be given this very port as its own, connects to itself, and keeps the server
    from coming back.
    """
    port = _recall(remembered) or _choose()
    if remembered is not None:
        remembered.write_text(f"{port}\n")
    return port


def _recall(remembered: Path | None) -> int | None:
    try:
        port = int(remembered.read_text()) if remembered is not None else 0
    except (FileNotFoundError, ValueError):
        return None
    return port if _is_free(port) else None


def _choose() -> int:
    chance = random.SystemRandom()
    ceiling = _first_outgoing_port()
    for _ in range(_TRIES):
        port = chance.randrange(_LOWEST, ceiling) if ceiling > _LOWEST else 0
        if _is_free(port):
            return port or _any_port()
    raise SetupError(f"no free TCP port on 127.0.0.1 between {_LOWEST} and {ceiling}")


def _first_outgoing_port() -> int:
    try:
        return int(_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        # As the servers do: connections of the last run that are still fading away do not keep the port.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])
