"""What the plant and a business system call the same things: items and units, locations, reasons, equipment."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bridge.config.settings.table import Table


def _without_float(written: Any) -> Any:
    """A factor is exact: 0.1 as a binary fraction is not, its digits are."""
    return str(written) if isinstance(written, float) else written


Factor = Annotated[Decimal, BeforeValidator(_without_float), Field(gt=0, allow_inf_nan=False)]
"""An exact number above 0."""


class Item(Table):
    """An item of ours as the system knows it. Quantities there are ours * numerator / denominator, exactly or not at all."""

    code: str = Field(min_length=1, description="The system's code of the item.")
    uom: str = Field(
        "", description="The system's name of the unit it is posted in. Default: that of the system's item."
    )
    numerator: Factor = Field(Decimal(1), description="... units of the system's are `denominator` of ours. Default 1.")
    denominator: Factor = Field(Decimal(1), description="... of ours, e.g. 12 pieces of a dozen. Default 1.")


class MasterDataTable(Table):
    """What a connector can be told of names that differ. What is not in a table goes out under our name."""

    items: dict[str, Item] = Field(default_factory=dict, description="Our item code -> the system's item and unit.")
    units: dict[str, str] = Field(
        default_factory=dict, description='Our unit (UCUM; "1" is a piece) -> its name there.'
    )
    locations: dict[str, str] = Field(default_factory=dict, description="Our location -> the system's.")
    reasons: dict[str, str] = Field(default_factory=dict, description="Our reason of scrap -> the system's code.")
    equipment_ids: dict[str, str] = Field(
        default_factory=dict, description="Equipment path -> the system's id or number. Default: the path itself."
    )
    closed_period: Literal["park", "today"] = Field(
        "park",
        description="An event of a period that is closed waits for a person (park), or is posted with today's date. Default park.",
    )
