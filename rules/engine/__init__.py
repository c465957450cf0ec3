"""The engine: follows the lanes by their cursors, and writes what the readings mean in one transaction with the cursor."""

from rules.engine.process import run

__all__ = ["run"]
