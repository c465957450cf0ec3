"""SAP S/4HANA by its released OData V2 APIs: goods movements, confirmations, notifications, orders, deliveries."""

from bridge.erp.sap_s4.connector import SapS4

__all__ = ["SapS4"]
