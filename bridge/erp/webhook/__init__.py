"""Any system that takes Standard Webhooks: signed CloudEvents, deduplicated by the receiver."""

from bridge.erp.webhook.connector import Webhook

__all__ = ["Webhook"]
