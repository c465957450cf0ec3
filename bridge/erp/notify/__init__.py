"""The connector to people: mail, chat, SMS gateways and webhooks through apprise."""

from bridge.erp.notify.connector import Apprise

__all__ = ["Apprise"]
