"""A described endpoint as a connector."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.config.settings.master_data import MasterDataTable


class DeclarativeSettings(HttpConnectorTable, MasterDataTable):
    """Any REST, JSON-RPC, XML-RPC, SOAP or GraphQL endpoint, as a file describes it (docs/connectors/declarative.md)."""

    type: Literal["declarative"]
    file: Path = Field(description="The description, TOML, relative to this file.")
    digits: int = Field(6, ge=0, le=12, description="Decimal places that quantities have there at most. Default 6.")

    def placed(self, folder: Path, zone: str) -> Self:
        """With all files found from the folder of the configuration, and in the plant's zone where none is given."""
        return super().placed(folder, zone).model_copy(update={"file": folder / self.file})
