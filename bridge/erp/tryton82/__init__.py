"""Tryton 8.2 by its REST interface for user applications: productions and their stock moves, deliveries."""

from bridge.erp.tryton82.connector import Tryton82

__all__ = ["Tryton82"]
