"""The one configuration file: what it may say (`settings`), and how it is read with every mistake at its place (`load`)."""

from bridge.config.load import load_settings
from bridge.config.settings import Settings

__all__ = ["Settings", "load_settings"]
