"""The end of an order at a machine, told without a piece (ProductionPerformance of nothing, final): every connector that carries it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest

from bridge.model.production import EventKind, ProductionPerformance
from tests.contract.scenes import AT, EQUIPMENT, ORDER, carry, quirks


async def test_end_of_an_order_is_told_once_also_without_a_piece(connector, system_type):
    if EventKind.PERFORMANCE not in connector.kinds:
        pytest.skip(f"{system_type}'s connector carries no confirmations")

    def performance(sequence, yielded, is_final):
        moment = AT + timedelta(minutes=sequence)
        return ProductionPerformance(
            uuid.uuid4(), ORDER, sequence, quirks(system_type).segment, moment, moment, Decimal(yielded), Decimal(0), "1",
            EQUIPMENT, is_final=is_final,
        )  # fmt: skip

    made, end = performance(1, 7, is_final=False), performance(2, 0, is_final=True)
    assert (await carry(connector, made)).is_posted
    assert (await carry(connector, end)).is_posted
    assert list(await connector.plan(end)) == []
    assert (await connector.lookup(made)).is_posted
