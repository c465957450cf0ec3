"""The rule that is measured, and files of many of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HEAD: Final = "apiVersion: rules/v1\nrules:\n"
RULE: Final = """\
- id: {id}
  for_each: {for_each}
  inputs: {{v: {{tag: {tag}, max_age: 30s}}}}
  levels:
    - {{severity: medium, if: "v > 4.5", clear: "v < 4.1", on_delay: 60s, off_delay: 120s}}
    - {{severity: high, if: "v > {limit}", clear: "v < 6.5", on_delay: 10s, off_delay: 120s}}
  response: inspect the bearing
"""


def rule_file(folder: Path, texts: list[str]) -> Path:
    """A rule file of these rules."""
    file = folder / "rules.yaml"
    file.write_text(_HEAD + "".join(texts))
    return file
