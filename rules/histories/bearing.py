"""Fault orders of a rolling bearing, per turn of the inner ring with the outer ring at rest (ISO 15243 names the faults).

n rolling elements of diameter d on a pitch circle of diameter D (same unit), at a contact angle in degrees. Without slip: real
bearings run one or two per cent below.
"""

from __future__ import annotations

import math


def bpfo(n: float, d: float, pitch: float, angle: float) -> float:
    """Ball pass frequency of the outer race, as an order."""
    return n / 2 * (1 - _ratio(d, pitch, angle))


def bpfi(n: float, d: float, pitch: float, angle: float) -> float:
    """Ball pass frequency of the inner race, as an order."""
    return n / 2 * (1 + _ratio(d, pitch, angle))


def bsf(_n: float, d: float, pitch: float, angle: float) -> float:
    """Ball spin frequency, as an order; a fault on a ball meets both races and shows at twice of it."""
    return pitch / (2 * d) * (1 - _ratio(d, pitch, angle) ** 2)


def ftf(_n: float, d: float, pitch: float, angle: float) -> float:
    """Fundamental train frequency: of the cage, as an order."""
    return (1 - _ratio(d, pitch, angle)) / 2


def _ratio(d: float, pitch: float, angle: float) -> float:
    return d / pitch * math.cos(math.radians(angle))
