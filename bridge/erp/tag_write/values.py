"""Whether what a machine says afterwards is what was written."""

from __future__ import annotations

import math
from typing import Final

_SINGLE: Final = 1e-6  # a 32-bit float keeps about seven digits


def is_same(wanted: object, found: object) -> bool:
    """Whether a value that was read back is the one that was written; a number as far as a 32-bit float can tell."""
    if isinstance(wanted, bool) or isinstance(found, bool) or isinstance(wanted, str):
        return type(wanted) is type(found) and wanted == found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return math.isclose(wanted, found, rel_tol=_SINGLE, abs_tol=1e-12)
    return False
