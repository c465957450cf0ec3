from decimal import Decimal

import pytest
from pydantic import ValidationError

from bridge.config.settings.master_data import MasterDataTable
from bridge.erp.quantity import Posted, Units
from bridge.errors import BusinessError

TABLE = MasterDataTable.model_validate(
    {
        "items": {
            "HSG": {"code": "4711", "uom": "CAR", "denominator": 12},
            "BAR": {"code": "BAR-60", "uom": "m", "numerator": "0.25"},
        },
        "units": {"{piece}": "ST", "kg": "KGM"},
    }
)
UNITS = Units(TABLE)


@pytest.mark.parametrize(
    ("quantity", "uom", "item", "digits", "posted"),
    [
        ("24", "1", "HSG", 0, Posted(Decimal(2), "CAR")),
        ("6", "1", "HSG", 1, Posted(Decimal("0.5"), "CAR")),
        ("3", "1", "BAR", 2, Posted(Decimal("0.75"), "m")),
        ("3", "1", "", 0, Posted(Decimal(3), "ST")),
        ("0.300", "kg", "else", 1, Posted(Decimal("0.3"), "KGM")),
        ("99999999999999999999999999", "1", "", 0, Posted(Decimal(99999999999999999999999999), "ST")),
        ("1E+3", "l", "", 0, Posted(Decimal(1000), "l")),
    ],
)
def test_quantity_is_exact_in_the_systems_unit(quantity, uom, item, digits, posted):
    assert UNITS.posted(Decimal(quantity), uom, item, digits) == posted


@pytest.mark.parametrize(
    ("quantity", "item", "digits"), [("5", "HSG", 6), ("1", "HSG", 12), ("0.5", "", 0), ("1", "BAR", 1)]
)
def test_quantity_that_does_not_come_out_is_refused_and_never_rounded(quantity, item, digits):
    with pytest.raises(BusinessError, match="does not fit"):
        UNITS.posted(Decimal(quantity), "1", item, digits)


@pytest.mark.parametrize(
    ("quantity", "item", "ours"), [("2", "HSG", "24"), ("0.5", "HSG", "6"), ("0.75", "BAR", "3"), ("3.000", "", "3")]
)
def test_quantity_of_the_systems_comes_back_in_our_unit(quantity, item, ours):
    assert UNITS.counted(Decimal(quantity), item, "order 1") == Decimal(ours)
    assert UNITS.posted(Decimal(ours), "1", item, 6).quantity == Decimal(quantity)


def test_quantity_of_the_systems_that_is_none_of_ours_is_refused_and_names_the_order():
    thirds = Units(MasterDataTable.model_validate({"items": {"X": {"code": "x", "numerator": 3}}}))
    assert thirds.counted(Decimal(-6), "X", "order 1") == -2
    with pytest.raises(BusinessError, match="order 1: 4"):
        thirds.counted(Decimal(4), "X", "order 1")


def test_factor_that_is_written_as_a_number_keeps_its_digits():
    table = MasterDataTable.model_validate({"items": {"X": {"code": "x", "numerator": 0.1}}})
    assert Units(table).posted(Decimal(3), "kg", "X", 1).quantity == Decimal("0.3")


@pytest.mark.parametrize("factor", [0, -1, "Infinity", "NaN", "ten"])
def test_factor_that_is_no_number_above_0_is_a_mistake_of_the_configuration(factor):
    with pytest.raises(ValidationError):
        MasterDataTable.model_validate({"items": {"X": {"code": "x", "denominator": factor}}})
