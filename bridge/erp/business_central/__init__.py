"""Business Central by OData V4: journals of output and consumption, requests, production and sales orders."""

from bridge.erp.business_central.connector import BusinessCentral

__all__ = ["BusinessCentral"]
