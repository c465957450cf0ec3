"""The rule engine as a process of its own, for tests that kill it: `python -m tests.rules_process <settings as JSON>`."""

from __future__ import annotations

import asyncio
import sys

from bridge.config.settings import Settings
from rules.engine import run

if __name__ == "__main__":
    asyncio.run(run(Settings.model_validate_json(sys.argv[1]), asyncio.Event()))
