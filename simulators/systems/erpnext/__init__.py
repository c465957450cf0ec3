"""ERPNext (Frappe) by its REST API, as far as a plant posts to it.

Documents with docstatus, queued submits, a unique custom field, `exc_type` and `_server_messages`, quantities as JSON numbers.
"""

from simulators.systems.erpnext.system import ErpNext

__all__ = ["ErpNext"]
