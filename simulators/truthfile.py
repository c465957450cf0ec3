"""A JSON file that is always whole: readers see the old content or the new one, never a part."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_atomically(path: Path, content: Mapping[str, object]) -> None:
    """Replace the file by the content in one step; the folder must exist."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    waiting.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    waiting.replace(path)
