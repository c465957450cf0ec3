"""ERPNext by its REST API: Stock Entries, Issues, Work Orders, Delivery Notes."""

from bridge.erp.erpnext.connector import ErpNext

__all__ = ["ErpNext"]
