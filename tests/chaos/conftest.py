"""The seed of a run: AMOR_CHAOS_SEED, or a random one; printed, so that a run can be had again."""

from __future__ import annotations

import os
import random

import pytest

_SEED = int(os.environ.get("AMOR_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


def pytest_report_header() -> str:
    return f"chaos seed: {_SEED}"


@pytest.fixture
def chance() -> random.Random:
    """Chance that the seed decides."""
    print(f"chaos seed: {_SEED}")  # noqa: T201  # shown with a failure
    return random.Random(_SEED)
