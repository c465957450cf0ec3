"""A plain system behind a description, as the contract suite meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp.declarative.description import load
from simulators.systems.generic import Generic
from simulators.systems.generic.system import KEY, UNIT
from tests.erp_systems.served import Served

DESCRIPTIONS = Path(__file__).parent / "descriptions"


class Described(Served):
    kinds = frozenset(load(DESCRIPTIONS / "rest.toml").event)

    def __init__(self, folder: Path | None = None, *, protocol: str = "rest") -> None:
        super().__init__(Generic())
        self.file = DESCRIPTIONS / f"{protocol}.toml"

    def settings(self, **changes: Any) -> DeclarativeSettings:
        given = {
            "type": "declarative",
            "name": "erp",
            "url": changes.pop("url", self.url) + "/api",
            "auth": {"type": "api_key", "key": changes.pop("api_key", KEY)},
            "file": self.file,
            "units": {"1": UNIT},
            "timeout_s": 1,
            "poll_s": 0.5,
        }
        return DeclarativeSettings.model_validate({**given, **changes})

    @staticmethod
    def preliminary(head: bytes) -> bytes | None:
        """The ticket of a draft, which the submitting request needs."""
        if not head.startswith(b"GET /api/rest/drafts/"):
            return None
        return b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"ticket": "T1"}'
