"""Odoo 19 by its External JSON-2 API: production orders, maintenance requests, deliveries."""

from bridge.erp.odoo19.connector import Odoo19

__all__ = ["Odoo19"]
